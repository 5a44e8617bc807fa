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

/** What we decided; `nats/settle.ts` does it. */
export type Verdict =
  | { readonly kind: 'ack' }
  /** Nobody wants it: acked, and that is all. */
  | { readonly kind: 'discard' }
  /** `retryVia`: the stream that it was published to, or its endpoint's own queue. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly retryVia: RetryVia }
  /** `detail`: what its attempt does not say; for a person. */
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason; readonly detail?: string }
  /** Not sent, or not to the end for a reason of our own: it waits in its endpoint's own queue. Not an attempt. */
  | { readonly kind: 'park' }
  /** It waits for its time, outside of all endpoints' queues. Milliseconds since 1970. Not an attempt. */
  | { readonly kind: 'schedule'; readonly dueAt: number }
  /** Its queue did not take it: this worker keeps it for a while, unsettled. Never decided, only done. */
  | { readonly kind: 'deferred' }
  /**
   * Neither its queue nor the dead letters took it, or it must keep its order: it goes back to where it came from, for so many
   * milliseconds. Never decided, only done.
   */
  | { readonly kind: 'requeued'; readonly delayMs: number };

export type RetryVia = 'nak' | 'park';

/** Whether the message is in its endpoint's own queue now. */
export function isParked(disposition: Verdict): boolean {
  return disposition.kind === 'park' || (disposition.kind === 'retry' && disposition.retryVia === 'park');
}

export type RetryPolicy = {
  /** Counts the first attempt. */
  readonly maxAttempts: number;
  readonly backoff: Backoff;
  /** Statuses that no retry can cure. */
  readonly terminalStatuses: ReadonlySet<number>;
};

/**
 * The table of DESIGN.md part 6. A new kind of outcome does not compile until it is decided here.
 *
 * @param attemptNumber From 1.
 * @param retryVia Where it would wait for a next attempt.
 * @param random From 0 (included) to 1 (excluded), for the jitter.
 * @param expiry Null: it has none.
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
    case 'noCapacity':
    case 'aborted':
    case 'localFault':
      return { kind: 'park' };
  }

  /** An attempt that would come too late is not waited for. */
  function unlessTooLate(verdict: Verdict): Verdict {
    if (verdict.kind !== 'retry') return verdict;
    const nextAt = attempt.startedAt + attempt.durationMs + verdict.delayMs;
    if (expiry === null || !isOver(expiry, nextAt)) return verdict;
    const detail = `the next attempt would come at ${isoTime(nextAt)}, and ${expiry.source} is over by then, ${isoTime(expiry.at)}`;
    return { kind: 'deadLetter', reason: 'expired', detail };
  }
}

/** Why it was given up, for a person. */
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
