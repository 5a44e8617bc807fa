import { isIPv4 } from 'node:net';
import { detachedText } from '../core/detached-text.ts';
import type { Outcome } from '../core/retry/attempt.ts';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import { ADDRESS_REFUSED, type AddressRefusal } from './checked-lookup.ts';
import { EGRESS_PROXY_AWAY, EGRESS_PROXY_LOGIN } from './proxy-pool.ts';

/**
 * The longest part of an error's message that is kept, in characters: the error for a wrong certificate lists all its host names.
 */
const MAX_DETAIL = 1024;

/** Codes of errors that this machine or the egress proxy causes, not the endpoint. */
const LOCAL_FAULT_CODES = new Set([
  EGRESS_PROXY_AWAY,
  EGRESS_PROXY_LOGIN,
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

/** Codes of errors of a connection that ended, or was reset, by the other side. */
const BROKEN_CODES = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'ECONNABORTED', 'EPIPE']);

/** True if the other side ended or reset the connection. */
export function isBrokenConnection(error: unknown): boolean {
  return BROKEN_CODES.has(errorCode(error) ?? '');
}

/** The outcome of a request that got no status. */
export function outcomeOfError(error: unknown, afterMs: number): Outcome {
  const cause = relevantError(error);
  const code = errorCode(cause) ?? 'UNKNOWN';
  if (code === ADDRESS_REFUSED)
    return { kind: 'blocked', detail: detailOf(cause), addresses: (cause as AddressRefusal).addresses };
  if (isLocalFault(cause)) return { kind: 'localFault', code };
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return { kind: 'timedOut', phase: 'connect', afterMs: Math.round(afterMs) };
  }
  return { kind: 'unreachable', code, detail: detailOf(cause) };
}

function detailOf(error: unknown): string {
  return detachedText(errorMessage(error), MAX_DETAIL);
}

/**
 * If a host has several addresses, each address has an error of its own. The failure is a local fault only if all of them are.
 */
function relevantError(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  return error.errors.find((each) => !isLocalFault(each)) ?? error.errors[0] ?? error;
}

function isLocalFault(error: unknown): boolean {
  const code = errorCode(error);
  // For an IPv4 address: no local port is left for this endpoint. For an IPv6 address: this machine has no IPv6, and waiting does
  // not help.
  if (code === 'EADDRNOTAVAIL') return isIPv4((error as { address?: string }).address ?? '');
  return code !== undefined && LOCAL_FAULT_CODES.has(code);
}
