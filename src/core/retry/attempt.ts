import { isoTime } from '../time.ts';

/**
 * What one attempt did: facts only, no decision. `verdict.ts` decides what follows from each of them.
 * Why a delivery was never sent is a fact of the same rank, so that one function decides everything.
 */
export type Outcome =
  /** The endpoint answered. `retryAfterMs` is its Retry-After, counted from now; `excerpt` the start of a failure's body. */
  | {
      readonly kind: 'responded';
      readonly status: number;
      readonly retryAfterMs: number | null;
      readonly excerpt: string | null;
      /** Its row of `rule_webhooks` counts this status as delivered. */
      readonly isDeclaredSuccess?: boolean;
    }
  /** CONNECT_TIMEOUT_MS or ATTEMPT_TIMEOUT_MS went by. */
  | { readonly kind: 'timedOut'; readonly phase: 'connect' | 'response'; readonly afterMs: number }
  /** No answer: DNS, connection, TLS, or something that is not HTTP. `code` is the library's error code. */
  | { readonly kind: 'unreachable'; readonly code: string; readonly detail: string }
  /** Our own address rules forbid this endpoint; nothing was sent. */
  | { readonly kind: 'blocked'; readonly detail: string }
  /** Our own shutdown cut it off. The request may have been sent. */
  | { readonly kind: 'aborted' }
  /** Our own machine could not send: no sockets, no ports, no memory. Nothing was sent. */
  | { readonly kind: 'localFault'; readonly code: string }
  /** There are endpoints for it, and none of them wants events of its kind. */
  | { readonly kind: 'filtered'; readonly detail: string }
  /** There is nothing that could be sent. */
  | { readonly kind: 'undeliverable'; readonly reason: UndeliverableReason; readonly detail: string }
  /** It is too late: nothing is sent any more. */
  | { readonly kind: 'expired'; readonly detail: string }
  /** It is too early: nothing is sent before `dueAt`, in milliseconds since 1970. */
  | { readonly kind: 'notDue'; readonly dueAt: number }
  /** Its endpoint has no room for it now; nothing was sent. `why` for a person. */
  | { readonly kind: 'noCapacity'; readonly reason: string }
  /** Workers that died used up the attempts: the hand-out count is past MAX_ATTEMPTS. */
  | { readonly kind: 'lostAttempts'; readonly deliveryCount: number };

export type UndeliverableReason = 'malformed' | 'unroutable' | 'disabled';

/** One HTTP request for a delivery, or why there was none. `startedAt` is in milliseconds since 1970. */
export type Attempt = {
  readonly outcome: Outcome;
  readonly startedAt: number;
  readonly durationMs: number;
};

/** Whether the endpoint may have seen a request. */
export function wasSent(outcome: Outcome): boolean {
  switch (outcome.kind) {
    case 'responded':
    case 'timedOut':
    case 'unreachable':
    case 'aborted':
      return true;
    case 'blocked':
    case 'localFault':
    case 'filtered':
    case 'undeliverable':
    case 'expired':
    case 'notDue':
    case 'noCapacity':
    case 'lostAttempts':
      return false;
  }
}

/** Attempts made, this one included where it was one. Those that were lost with their worker count as sent. */
export function attemptsMade(attemptNumber: number, outcome: Outcome): number {
  return wasSent(outcome) ? attemptNumber : attemptNumber - 1;
}

/** Whether the endpoint took the webhook: it answered with a 2xx, or with what its row counts as that. */
export function isDelivered(outcome: Outcome): boolean {
  if (outcome.kind !== 'responded') return false;
  return (outcome.status >= 200 && outcome.status < 300) || outcome.isDeclaredSuccess === true;
}

/** One line for a person: what went wrong, or null where nothing did. Never holds a header, a body's secret or a query. */
export function describeFailure(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'responded':
      return isDelivered(outcome) ? null : `HTTP ${outcome.status}`;
    case 'timedOut':
      return outcome.phase === 'connect'
        ? `no connection within ${outcome.afterMs} ms`
        : `no complete answer within ${outcome.afterMs} ms`;
    case 'unreachable':
      return `${outcome.code}: ${outcome.detail}`;
    case 'blocked':
    case 'filtered':
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
      return `no room at its endpoint: ${outcome.reason}`;
    case 'lostAttempts':
      return `handed out ${outcome.deliveryCount} times before, without a word of it: lost with its worker, or handed back for want of a place to park it`;
  }
}
