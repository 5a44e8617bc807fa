import { isoTime } from '../time.ts';
import { type Attempt, describeFailure, isDelivered } from './attempt.ts';
import { type Backoff, delayBeforeNext } from './backoff.ts';
import { type Expiry, isOver } from './delivery-window.ts';

/** Why a delivery was given up. */
export type DeadLetterReason =
  | 'gone'
  | 'rejected'
  | 'exhausted'
  | 'malformed'
  | 'unroutable'
  | 'disabled'
  | 'forbidden'
  | 'expired';

/** What is to be done with a message. Only a decision: `Disposition` says what was really done. */
export type Verdict =
  | { readonly kind: 'ack' }
  /** None of its endpoints accepts its event type, or it is a delete marker: acked, and nothing else. */
  | { readonly kind: 'discard' }
  /** `retryVia`: it waits for the next attempt in its stream (nak), or in its endpoint's parked queue. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly retryVia: RetryVia }
  /** `detail`: what the attempt does not say, for a person. */
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason; readonly detail?: string }
  /** Not sent, or aborted by this worker: it waits in its endpoint's parked queue. Not an attempt. */
  | { readonly kind: 'park' }
  /** It waits in a scheduled queue until `dueAt`, in milliseconds since 1970. Not an attempt. */
  | { readonly kind: 'schedule'; readonly dueAt: number };

export type RetryVia = 'nak' | 'park';

export type RetryPolicy = {
  /** Counts the first attempt. */
  readonly maxAttempts: number;
  readonly backoff: Backoff;
  /** HTTP statuses that are never retried. TERMINAL_STATUSES. */
  readonly terminalStatuses: ReadonlySet<number>;
};

/**
 * Decides as the table of docs/retries.md says. A new kind of outcome does not compile until this function decides it.
 *
 * @param attemptNumber From 1.
 * @param retryVia Where the message would wait for its next attempt.
 * @param random From 0 (included) to 1 (excluded), for the jitter.
 * @param expiry Null: the message never expires.
 */
export function decide(
  attempt: Attempt,
  attemptNumber: number,
  retryVia: RetryVia,
  policy: RetryPolicy,
  random: number,
  expiry: Expiry | null = null,
): Verdict {
  const { outcome } = attempt;
  switch (outcome.kind) {
    case 'responded':
      if (isDelivered(outcome)) return { kind: 'ack' };
      if (outcome.status === 410) return { kind: 'deadLetter', reason: 'gone' };
      if (policy.terminalStatuses.has(outcome.status)) return { kind: 'deadLetter', reason: 'rejected' };
      return unlessTooLate(retryOrGiveUp(attemptNumber, retryVia, outcome.retryAfterMs, policy, random));
    case 'timedOut':
    case 'unreachable':
      return unlessTooLate(retryOrGiveUp(attemptNumber, retryVia, null, policy, random));
    case 'filtered':
    case 'deleteMarker':
      return { kind: 'discard' };
    case 'blocked':
      return { kind: 'deadLetter', reason: 'forbidden' };
    case 'undeliverable':
      return { kind: 'deadLetter', reason: outcome.reason };
    case 'lostAttempts':
      return { kind: 'deadLetter', reason: 'exhausted' };
    case 'expired':
      return { kind: 'deadLetter', reason: 'expired' };
    case 'notDue':
      return { kind: 'schedule', dueAt: outcome.dueAt };
    case 'held':
    case 'noCapacity':
    case 'aborted':
    case 'localFault':
      return { kind: 'park' };
  }

  /** If the next attempt would start after the expiry, the message becomes a dead letter now. */
  function unlessTooLate(verdict: Verdict): Verdict {
    if (verdict.kind !== 'retry') return verdict;
    const nextAt = attempt.startedAt + attempt.durationMs + verdict.delayMs;
    if (expiry === null || !isOver(expiry, nextAt)) return verdict;
    const detail = `the next attempt would start at ${isoTime(nextAt)}, too late for ${expiry.source}, ${isoTime(expiry.at)}`;
    return { kind: 'deadLetter', reason: 'expired', detail };
  }
}

/** Why the delivery was given up, for a person. */
export function deadLetterDetail(
  { outcome }: Attempt,
  { reason, detail }: Extract<Verdict, { kind: 'deadLetter' }>,
): string {
  const said = [describeFailure(outcome), detail].filter((text) => text != null);
  return said.length === 0 ? reason : said.join('; ');
}

function retryOrGiveUp(
  attemptNumber: number,
  retryVia: RetryVia,
  retryAfterMs: number | null,
  policy: RetryPolicy,
  random: number,
): Verdict {
  if (attemptNumber >= policy.maxAttempts) return { kind: 'deadLetter', reason: 'exhausted' };
  const delayMs = delayBeforeNext(attemptNumber, retryAfterMs, policy.backoff, random);
  return { kind: 'retry', delayMs, retryVia };
}
