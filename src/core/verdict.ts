import { type Attempt, isDelivered } from './attempt.ts';
import { type Backoff, delayBeforeNext } from './backoff.ts';

/** Why a delivery was given up. */
export type DeadLetterReason =
  | 'gone'
  | 'rejected'
  | 'exhausted'
  | 'malformed'
  | 'unroutable'
  | 'disabled'
  | 'forbidden';

/** What we decided; `nats/settle.ts` does it. */
export type Verdict =
  | { readonly kind: 'ack' }
  /** Nobody wants it: acked, and that is all. */
  | { readonly kind: 'drop' }
  /** `waitsIn`: the stream that it was published to, or its endpoint's own queue. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly waitsIn: WaitsIn }
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason }
  /** Not sent, or not to the end for a reason of our own: it waits in its endpoint's own queue. Not an attempt. */
  | { readonly kind: 'park' }
  /** Its queue did not take it: this worker keeps it for a while, unsettled. Never decided, only done. */
  | { readonly kind: 'setAside' }
  /** Neither its queue nor the dead letters took it: it goes back to where it came from. Never decided, only done. */
  | { readonly kind: 'handBack' };

export type WaitsIn = 'stream' | 'queue';

/** Whether the message is in its endpoint's own queue now. */
export function isParked(done: Verdict): boolean {
  return done.kind === 'park' || (done.kind === 'retry' && done.waitsIn === 'queue');
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
 * @param waitsIn Where it would wait for a next attempt.
 * @param random From 0 (included) to 1 (excluded), for the jitter.
 */
export function decide(
  attempt: Attempt,
  attemptNumber: number,
  waitsIn: WaitsIn,
  policy: RetryPolicy,
  random: number,
): Verdict {
  const { outcome } = attempt;
  switch (outcome.kind) {
    case 'responded':
      if (isDelivered(outcome)) return { kind: 'ack' };
      if (outcome.status === 410) return { kind: 'deadLetter', reason: 'gone' };
      if (policy.terminalStatuses.has(outcome.status)) return { kind: 'deadLetter', reason: 'rejected' };
      return retryOrGiveUp(attemptNumber, waitsIn, outcome.retryAfterMs, policy, random);
    case 'timedOut':
    case 'unreachable':
      return retryOrGiveUp(attemptNumber, waitsIn, null, policy, random);
    case 'unwanted':
      return { kind: 'drop' };
    case 'refused':
      return { kind: 'deadLetter', reason: 'forbidden' };
    case 'unsendable':
      return { kind: 'deadLetter', reason: outcome.reason };
    case 'spent':
      return { kind: 'deadLetter', reason: 'exhausted' };
    case 'noRoom':
    case 'aborted':
    case 'faulted':
      return { kind: 'park' };
  }
}

function retryOrGiveUp(
  attemptNumber: number,
  waitsIn: WaitsIn,
  retryAfterMs: number | null,
  policy: RetryPolicy,
  random: number,
): Verdict {
  if (attemptNumber >= policy.maxAttempts) return { kind: 'deadLetter', reason: 'exhausted' };
  const delayMs = delayBeforeNext(attemptNumber, retryAfterMs, policy.backoff, random);
  return { kind: 'retry', delayMs, waitsIn };
}
