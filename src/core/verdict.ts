import type { Attempt } from './attempt.ts';
import { type Backoff, delayBeforeNext } from './backoff.ts';

/** Why a delivery was given up. */
export type DeadLetterReason = 'gone' | 'rejected' | 'exhausted' | 'malformed' | 'unroutable' | 'forbidden';

/** What we decided; `nats/settle.ts` does it. */
export type Verdict =
  | { readonly kind: 'ack' }
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'deadLetter'; readonly reason: DeadLetterReason }
  /** Not the endpoint's doing: another worker, or this one in a moment, takes it up again. */
  | { readonly kind: 'handBack' };

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
 * @param random From 0 (included) to 1 (excluded), for the jitter.
 */
export function decide(
  attempt: Attempt,
  attemptNumber: number,
  policy: RetryPolicy,
  random: number,
): Verdict {
  const { outcome } = attempt;
  switch (outcome.kind) {
    case 'responded':
      if (outcome.status >= 200 && outcome.status < 300) return { kind: 'ack' };
      if (outcome.status === 410) return { kind: 'deadLetter', reason: 'gone' };
      if (policy.terminalStatuses.has(outcome.status)) return { kind: 'deadLetter', reason: 'rejected' };
      return retryOrGiveUp(attemptNumber, outcome.retryAfterMs, policy, random);
    case 'timedOut':
    case 'unreachable':
      return retryOrGiveUp(attemptNumber, null, policy, random);
    case 'refused':
      return { kind: 'deadLetter', reason: 'forbidden' };
    case 'unsendable':
      return { kind: 'deadLetter', reason: outcome.reason };
    case 'spent':
      return { kind: 'deadLetter', reason: 'exhausted' };
    case 'aborted':
    case 'faulted':
      return { kind: 'handBack' };
  }
}

function retryOrGiveUp(
  attemptNumber: number,
  retryAfterMs: number | null,
  policy: RetryPolicy,
  random: number,
): Verdict {
  if (attemptNumber >= policy.maxAttempts) return { kind: 'deadLetter', reason: 'exhausted' };
  return { kind: 'retry', delayMs: delayBeforeNext(attemptNumber, retryAfterMs, policy.backoff, random) };
}
