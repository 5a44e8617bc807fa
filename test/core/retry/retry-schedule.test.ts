import { describe, expect, it } from 'vitest';
import { delayBeforeNext } from '../../../src/core/retry/backoff.ts';
import { describeEnd, givesUpAfterMs, parseRetrySchedule } from '../../../src/core/retry/retry-schedule.ts';
import type { RetryPolicy } from '../../../src/core/retry/verdict.ts';

const HOUR_MS = 3_600_000;

describe('a retry schedule', () => {
  it('is a list of delays with their units', () => {
    expect(parseRetrySchedule('1s,2s, 1.5m ,500ms,2h,1d')).toEqual([
      1000,
      2000,
      90_000,
      500,
      2 * HOUR_MS,
      24 * HOUR_MS,
    ]);
  });

  it('may be the one of Standard Webhooks', () => {
    const standard = parseRetrySchedule(' standard ') as number[];
    expect(standard).toEqual([
      5000,
      300_000,
      1_800_000,
      ...[2, 5, 10, 14, 20, 24].map((hours) => hours * HOUR_MS),
    ]);
  });

  it.each([
    ['', '"" is not a delay'],
    ['1s,,2s', '"" is not a delay'],
    ['5', '"5" is not a delay'],
    ['1s,soon', '"soon" is not a delay'],
    ['0s', '"0s" is not a delay'],
    ['8d', '"8d" is not a delay'],
    ['-1s', '"-1s" is not a delay'],
    [Array(100).fill('1s').join(), 'has 100 delays'],
  ])('%j is none', (text, why) => {
    expect(parseRetrySchedule(text)).toContain(why);
  });

  it('gives the delay before each attempt, with jitter, and repeats the last one', () => {
    const backoff = { baseMs: 1, maxMs: 1, multiplier: 1, retryAfterMaxMs: 5000, schedule: [1000, 60_000] };
    const delay = (attempt: number, random = 0.5) => delayBeforeNext(attempt, null, backoff, random);
    expect([delay(1), delay(2), delay(3)]).toEqual([1000, 60_000, 60_000]);
    expect([delay(1, 0), delay(2, 0)]).toEqual([750, 45_000]);
    expect(delayBeforeNext(1, 4000, backoff, 0.5)).toBe(4000);
  });
});

describe('a delivery is given up', () => {
  const policy = (parts: Partial<RetryPolicy>, schedule?: number[]): RetryPolicy => ({
    maxAttempts: 7,
    terminalStatuses: new Set(),
    ...parts,
    backoff: {
      baseMs: 1000,
      maxMs: 300_000,
      multiplier: 2,
      retryAfterMaxMs: 0,
      ...(schedule && { schedule }),
    },
  });

  it.each([
    ['63 s after its first attempt by default', policy({}), 0, 63_000, '7 attempts end after 63 s'],
    ['after 7 s by an untouched row', policy({ maxAttempts: 4 }), 0, 7000, '4 attempts end after 7 s'],
    ['at once without retries', policy({ maxAttempts: 1 }), 0, 0, 'the first attempt is the only one'],
    [
      'by its schedule',
      policy({ maxAttempts: 3 }, [HOUR_MS, HOUR_MS]),
      0,
      2 * HOUR_MS,
      '3 attempts end after 120 min',
    ],
    [
      'at its greatest age, if that is earlier',
      policy({ maxAttempts: 3 }, [HOUR_MS, HOUR_MS]),
      1000,
      1000,
      '3 attempts end after 1 s',
    ],
  ])('%s', (_when, given, maxAgeMs, afterMs, text) => {
    expect(givesUpAfterMs(given, maxAgeMs)).toBe(afterMs);
    expect(describeEnd(given.maxAttempts, afterMs)).toBe(text);
  });
});
