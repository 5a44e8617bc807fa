import { type Backoff, nominalDelayBeforeNext } from './backoff.ts';
import type { RetryPolicy } from './verdict.ts';

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** The longest delay: a week. */
const LONGEST_MS = 7 * 86_400_000;
/** As many as MAX_ATTEMPTS may have, without the first attempt. */
const MOST_DELAYS = 99;
const FORM = 'delays with their units, such as 1s,10s,5m,2h, or standard';

/** The example schedule of the Standard Webhooks specification: it ends after 75 hours and 35 minutes. */
const STANDARD = '5s,5m,30m,2h,5h,10h,14h,20h,24h';

/**
 * Parses the delays between attempts, comma-separated, each with its unit (ms, s, m, h or d). `standard` stands for the schedule of
 * Standard Webhooks.
 *
 * @returns In milliseconds; or a sentence for a person that says what is wrong.
 */
export function parseRetrySchedule(text: string): readonly number[] | string {
  const written = text.trim() === 'standard' ? STANDARD : text;
  const items = written.split(',').map((item) => item.trim());
  if (items.length > MOST_DELAYS) return `has ${items.length} delays; at most ${MOST_DELAYS} are allowed`;
  const delays = items.map(delayOf);
  const wrong = delays.indexOf(null);
  return wrong < 0 ? (delays as number[]) : `"${items[wrong]}" is not a delay from 1ms to 7d; write ${FORM}`;
}

function delayOf(text: string): number | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const delay = Math.round(Number(digits) * MS_OF_UNIT[unit!]!);
  return delay >= 1 && delay <= LONGEST_MS ? delay : null;
}

/** A policy that ends sooner than this is named at the start and in `stats`, in milliseconds: an outage may well last an hour. */
export const EARLY_END_MS = 3_600_000;

/**
 * How long after its first attempt a delivery is given up, if every attempt fails at once: the sum of all delays, without jitter, in
 * milliseconds.
 *
 * @param maxAgeMs MAX_AGE_HOURS, in milliseconds; 0: no limit.
 */
export function givesUpAfterMs({ maxAttempts, backoff }: RetryPolicy, maxAgeMs: number): number {
  const ends = sumOfDelays(maxAttempts - 1, backoff);
  return maxAgeMs > 0 ? Math.min(ends, maxAgeMs) : ends;
}

function sumOfDelays(count: number, backoff: Backoff): number {
  let sum = 0;
  for (let attempt = 1; attempt <= count; attempt++) sum += nominalDelayBeforeNext(attempt, backoff);
  return Math.round(sum);
}

/** A policy that ends early, in words: `7 attempts end after 63 s`. */
export function describeEnd(attempts: number, afterMs: number): string {
  if (attempts === 1) return 'the first attempt is the only one';
  const seconds = afterMs / 1000;
  const time = seconds < 120 ? `${Math.round(10 * seconds) / 10} s` : `${Math.round(seconds / 60)} min`;
  return `${attempts} attempts end after ${time}`;
}
