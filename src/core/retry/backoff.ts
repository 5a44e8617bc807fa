/** How long a failed delivery waits before its next attempt. All in milliseconds. */
export type Backoff = {
  /** The delay before the second attempt. Each further delay is `multiplier` times as long. */
  readonly baseMs: number;
  readonly maxMs: number;
  readonly multiplier: number;
  /**
   * The delays before the second, third, … attempt, in place of `baseMs`, `maxMs` and `multiplier`. After the last one, the last one
   * is repeated. @default none
   */
  readonly schedule?: readonly number[];
  /** A longer Retry-After is shortened to this time. */
  readonly retryAfterMaxMs: number;
};

/** Each delay is made shorter or longer at random, by up to this share, so that retries do not all happen at the same time. */
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
 * The delay before attempt `attemptNumber` + 1, without jitter: of the schedule, or else
 * `min(maxMs, baseMs * multiplier^(attemptNumber - 1))`. In milliseconds.
 */
export function nominalDelayBeforeNext(
  attemptNumber: number,
  { baseMs, maxMs, multiplier, schedule }: Omit<Backoff, 'retryAfterMaxMs'>,
): number {
  const scheduled = schedule?.[attemptNumber - 1] ?? schedule?.at(-1);
  return scheduled ?? backoff({ initialMs: baseMs, maxMs, factor: multiplier }, attemptNumber);
}

/**
 * The delay before attempt `attemptNumber` + 1: `nominalDelayBeforeNext`, plus or minus 25 %. A longer Retry-After wins, up to
 * `retryAfterMaxMs`. In milliseconds.
 *
 * @param attemptNumber The attempt that failed, from 1.
 * @param random From 0 (included) to 1 (excluded).
 */
export function delayBeforeNext(
  attemptNumber: number,
  retryAfterMs: number | null,
  options: Backoff,
  random: number,
): number {
  const delay = jittered(nominalDelayBeforeNext(attemptNumber, options), JITTER, random);
  const asked = Math.min(retryAfterMs ?? 0, options.retryAfterMaxMs);
  return Math.round(Math.max(delay, asked));
}

/**
 * A Retry-After header as a delay in milliseconds: seconds, or an HTTP date. Null if the header is neither, or negative. A date in
 * the past is 0.
 *
 * @param sentAt The Date header of the same answer. It is of the clock that wrote the date of Retry-After, so the delay is right
 *   also if the clock here is wrong.
 * @param now The time here, in milliseconds since 1970, for an answer without a Date header.
 */
export function parseRetryAfter(value: string, sentAt: string | undefined, now: number): number | null {
  const text = value.trim();
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = parseHttpDate(text);
  return date === null ? null : Math.max(0, date - (parseHttpDate(sentAt ?? '') ?? now));
}

/** In milliseconds since 1970; null if the text is not an HTTP date. */
function parseHttpDate(value: string): number | null {
  const text = value.trim();
  // Date.parse accepts far more than HTTP dates ("-5", "1.5"). An HTTP date starts with the name of a day.
  if (!/^(mon|tue|wed|thu|fri|sat|sun)/i.test(text)) return null;
  // The oldest of the three forms has no zone; all three forms mean GMT.
  const date = Date.parse(/gmt$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(date) ? null : date;
}
