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

export type BackoffOptions = {
  /** After the first failure, in milliseconds. */
  readonly initialMs: number;
  readonly maxMs: number;
  /** @default 2 */
  readonly factor?: number;
  /** The share by which a delay is shortened or lengthened at random. @default 0 */
  readonly jitter?: number;
};

/**
 * How long to wait before the next try: `min(maxMs, initialMs * factor^(failures - 1))`, give or take `jitter`, in
 * milliseconds.
 *
 * @param failures In a row, from 1.
 * @param random From 0 (included) to 1 (excluded). @default 0.5: neither shortened nor lengthened
 */
export function backoff(
  { initialMs, maxMs, factor = 2, jitter = 0 }: BackoffOptions,
  failures: number,
  random = 0.5,
): number {
  return jittered(Math.min(maxMs, initialMs * factor ** (failures - 1)), jitter, random);
}

/** A time that is shortened or lengthened by up to this share of it. @param random From 0 (included) to 1 (excluded). */
export function jittered(ms: number, share: number, random: number): number {
  return ms * (1 - share + 2 * share * random);
}

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
  { baseMs, maxMs, multiplier, retryAfterMaxMs }: Backoff,
  random: number,
): number {
  const options = { initialMs: baseMs, maxMs, factor: multiplier, jitter: JITTER };
  const asked = Math.min(retryAfterMs ?? 0, retryAfterMaxMs);
  return Math.round(Math.max(backoff(options, attemptNumber, random), asked));
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
