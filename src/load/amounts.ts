import { parseDuration } from '../runtime/duration.ts';
import type { Range } from './plan.ts';

const MOST_PER_SECOND = 100_000;
const LONGEST_INTERVAL_MS = 86_400_000;

/**
 * Parses a rate: `2000` is 2000 messages per second, `30s` is one message every 30 seconds.
 *
 * @returns Messages per second, from one per day to 100 000.
 * @throws {TypeError} that repeats the text, and names the range.
 */
export function parseRate(text: string): number {
  const isNumber = /^\s*(\d+(\.\d*)?|\.\d+)\s*$/.test(text);
  const rate = isNumber ? Number(text) : 1000 / intervalOf(text);
  if (rate >= 1000 / LONGEST_INTERVAL_MS && rate <= MOST_PER_SECOND) return rate;
  throw wrongRate(text);
}

function intervalOf(text: string): number {
  try {
    return parseDuration(text, { unit: 'milliseconds', min: 0.01, max: LONGEST_INTERVAL_MS, whole: false });
  } catch {
    throw wrongRate(text);
  }
}

function wrongRate(text: string): TypeError {
  return new TypeError(
    `"${text}" is not a rate; write messages per second, up to ${MOST_PER_SECOND} (2000), or the time from one message to the next, up to 1d (30s)`,
  );
}

/**
 * Parses a whole number, or a range such as `200..4000`.
 *
 * @throws {TypeError} that repeats the text, and names the limits.
 */
export function parseRange(text: string, [min, max]: Range): Range {
  const [, least = '', most = least] = /^\s*(\d+)(?:\.\.(\d+))?\s*$/.exec(text) ?? [];
  const range = [Number(least || Number.NaN), Number(most || Number.NaN)] as const;
  if (range[0] >= min && range[0] <= range[1] && range[1] <= max) return range;
  throw new TypeError(
    `"${text}" is not a whole number from ${min} to ${max}, or a range of them such as ${min}..${max}`,
  );
}
