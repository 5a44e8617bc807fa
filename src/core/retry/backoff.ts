/** How long a failed delivery waits before its next attempt. All in milliseconds. */
export type Backoff = {
  /** Before the second attempt; doubled (or times `multiplier`) for each one after. */
  readonly baseMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  /** The longest Retry-After that is believed. */
  readonly retryAfterMaxMs: number;
};

/** The share by which a delay is shortened or lengthened at random, so that retries never march in step. */
const JITTER = 0.25;

/**
 * Delay before attempt `attemptNumber` + 1: `min(maxMs, baseMs * multiplier^(attemptNumber - 1))`, give or take
 * 25 %; a longer Retry-After wins, capped at `retryAfterMaxMs`.
 *
 * @param attemptNumber The attempt that failed, from 1.
 * @param random From 0 (included) to 1 (excluded).
 */
export function delayBeforeNext(
  attemptNumber: number,
  retryAfterMs: number | null,
  backoff: Backoff,
  random: number,
): number {
  const exponential = Math.min(backoff.maxMs, backoff.baseMs * backoff.multiplier ** (attemptNumber - 1));
  const jittered = exponential * (1 - JITTER + 2 * JITTER * random);
  const asked = Math.min(retryAfterMs ?? 0, backoff.retryAfterMaxMs);
  return Math.round(Math.max(jittered, asked));
}

/**
 * A Retry-After header as milliseconds from `now`: seconds, or an HTTP date. Null where it is neither, or negative;
 * a date that has passed is 0.
 */
export function parseRetryAfter(value: string, now: number): number | null {
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse takes far more than HTTP dates ("-5", "1.5"): only what starts with a day's name is one.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(text)) return null;
  // The oldest of the three forms names no zone; all of them mean GMT.
  const date = Date.parse(/gmt$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(date) ? null : Math.max(0, date - now);
}
