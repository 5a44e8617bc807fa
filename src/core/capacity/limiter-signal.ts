import { isDelivered, type Outcome } from '../retry/attempt.ts';

/**
 * What the result of an attempt means for the limiter of its endpoint. `failure`, `overload` and `timeout` may be the trouble of
 * one message; `unreachable` and `connectTimeout` are the trouble of the host.
 */
export type LimiterSignal =
  | 'success'
  | 'failure'
  | 'overload'
  | 'timeout'
  | 'unreachable'
  | 'connectTimeout'
  | 'ignore';

const OVERLOAD_STATUSES = new Set([429, 502, 503, 504]);

/** Errors that come after the connection stood: the endpoint may have broken it because of this message. */
const AFTER_CONNECT = /^(ECONNRESET|EPIPE|UND_ERR_(SOCKET|HEADERS_OVERFLOW|ABORTED|RES_\w+)|HPE_\w+)$/;

export function signalOf(outcome: Outcome): LimiterSignal {
  switch (outcome.kind) {
    case 'responded':
      if (isDelivered(outcome)) return 'success';
      if (OVERLOAD_STATUSES.has(outcome.status)) return 'overload';
      // A 404 also proves that the endpoint answers.
      return outcome.status >= 500 ? 'failure' : 'success';
    case 'unreachable':
      return AFTER_CONNECT.test(outcome.code) ? 'overload' : 'unreachable';
    case 'timedOut':
      return outcome.phase === 'connect' ? 'connectTimeout' : 'timeout';
    case 'blocked':
    case 'held':
    case 'aborted':
    case 'localFault':
    case 'filtered':
    case 'deleteMarker':
    case 'undeliverable':
    case 'lostAttempts':
    case 'noCapacity':
    case 'expired':
    case 'notDue':
      return 'ignore';
  }
}

/** True if the host was not reached: that says something of every message for it. */
export function isHostFailure(signal: LimiterSignal): boolean {
  return signal === 'unreachable' || signal === 'connectTimeout';
}

/** True if nothing came back. */
export function isSilence(signal: LimiterSignal): boolean {
  return signal === 'timeout' || signal === 'connectTimeout';
}
