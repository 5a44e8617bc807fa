import { isoTime } from '../time.ts';

/**
 * The result of one attempt: facts only, no decision. `verdict.ts` decides what follows from each outcome. The reason why a
 * delivery was not sent at all is also an outcome, so that one function decides everything.
 */
export type Outcome =
  /**
   * The endpoint sent a final status; the rest of its answer may be missing. `retryAfterMs`: its Retry-After, from the answer on.
   * `excerpt`: the start of a failure's body.
   */
  | {
      readonly kind: 'responded';
      readonly status: number;
      readonly retryAfterMs: number | null;
      readonly excerpt: string | null;
      /** The endpoint's row of `rule_webhooks` counts this status as delivered. */
      readonly isDeclaredSuccess?: boolean;
    }
  /** The attempt took longer than CONNECT_TIMEOUT_MS or ATTEMPT_TIMEOUT_MS, and no final status had come. */
  | { readonly kind: 'timedOut'; readonly phase: 'connect' | 'response'; readonly afterMs: number }
  /** No answer: DNS, connection or TLS failed, or the answer was not HTTP. `code` is the library's error code. */
  | { readonly kind: 'unreachable'; readonly code: string; readonly detail: string }
  /**
   * The worker's address rules forbid this endpoint. Nothing was sent. `addresses`: what the name of the host resolves to; missing
   * if the URL itself is forbidden.
   */
  | { readonly kind: 'blocked'; readonly detail: string; readonly addresses?: readonly string[] }
  /** A row or a setting is wrong, and may be mended; or a peer may send it. Nothing was sent. `detail` for a person. */
  | { readonly kind: 'held'; readonly detail: string }
  /** The shutdown of this worker aborted the attempt. The request may have been sent. */
  | { readonly kind: 'aborted' }
  /** The worker's own machine could not send: no sockets, no ports, no memory. Nothing was sent. */
  | { readonly kind: 'localFault'; readonly code: string }
  /** The message has endpoints, but none of them accepts its event type. */
  | { readonly kind: 'filtered'; readonly detail: string }
  /** Not a message of a publisher: NATS removed the last message of the subject, and stored this in its place. */
  | { readonly kind: 'deleteMarker'; readonly detail: string }
  /** The message cannot be sent to any endpoint. */
  | { readonly kind: 'undeliverable'; readonly reason: UndeliverableReason; readonly detail: string }
  /** The message is too late, and is not sent any more. */
  | { readonly kind: 'expired'; readonly detail: string }
  /** The message is too early: it is not sent before `dueAt`, in milliseconds since 1970. */
  | { readonly kind: 'notDue'; readonly dueAt: number }
  /** The endpoint has no capacity for the message now. Nothing was sent. `reason` for a person. */
  | { readonly kind: 'noCapacity'; readonly reason: string }
  /** Workers that died used up the attempts: NATS delivered the message more than MAX_ATTEMPTS times. */
  | { readonly kind: 'lostAttempts'; readonly deliveryCount: number };

export type UndeliverableReason = 'malformed' | 'unroutable' | 'disabled';

/** One HTTP request for a delivery, or the reason why there was none. `startedAt` is in milliseconds since 1970. */
export type Attempt = {
  readonly outcome: Outcome;
  readonly startedAt: number;
  readonly durationMs: number;
  /** The request was sent twice: the first time on a kept connection, which broke before a byte of the answer. */
  readonly wasResent?: boolean;
};

/** True if the endpoint may have received a request. */
export function wasSent(outcome: Outcome): boolean {
  switch (outcome.kind) {
    case 'responded':
    case 'timedOut':
    case 'unreachable':
    case 'aborted':
      return true;
    case 'blocked':
    case 'held':
    case 'localFault':
    case 'filtered':
    case 'deleteMarker':
    case 'undeliverable':
    case 'expired':
    case 'notDue':
    case 'noCapacity':
    case 'lostAttempts':
      return false;
  }
}

/** How many attempts were made, with this one if it was sent. Attempts of a worker that died count as sent. */
export function attemptsMade(attemptNumber: number, outcome: Outcome): number {
  return wasSent(outcome) ? attemptNumber : attemptNumber - 1;
}

/** True if the endpoint accepted the webhook: it answered with a 2xx, or with a status that its row counts as delivered. */
export function isDelivered(outcome: Outcome): boolean {
  if (outcome.kind !== 'responded') return false;
  return (outcome.status >= 200 && outcome.status < 300) || outcome.isDeclaredSuccess === true;
}

/** What went wrong, in one line for a person; null if the attempt succeeded. Never holds a header, a body's secret or a query. */
export function describeFailure(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'responded':
      return isDelivered(outcome) ? null : `HTTP ${outcome.status}`;
    case 'timedOut':
      return outcome.phase === 'connect'
        ? `no connection within ${outcome.afterMs} ms`
        : `no answer within ${outcome.afterMs} ms`;
    case 'unreachable':
      return `${outcome.code}: ${outcome.detail}`;
    case 'blocked':
    case 'held':
    case 'filtered':
    case 'deleteMarker':
    case 'undeliverable':
    case 'expired':
      return outcome.detail;
    case 'notDue':
      return `not before ${isoTime(outcome.dueAt)}`;
    case 'aborted':
      return 'aborted by the shutdown of this worker';
    case 'localFault':
      return `this worker cannot send: ${outcome.code}`;
    case 'noCapacity':
      return `no capacity at the endpoint: ${outcome.reason}`;
    case 'lostAttempts':
      return `delivered ${outcome.deliveryCount} times by NATS without a result: each time the worker died, or the message could not be parked`;
  }
}
