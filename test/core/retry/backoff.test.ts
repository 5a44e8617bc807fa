import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Backoff, backoff, delayBeforeNext, parseRetryAfter } from '../../../src/core/retry/backoff.ts';

const DEFAULTS: Backoff = { baseMs: 1000, maxMs: 300_000, multiplier: 2, retryAfterMaxMs: 3_600_000 };
/** The random number that neither shortens nor lengthens a delay. */
const NO_JITTER = 0.5;

describe('the delay before the next attempt', () => {
  it.each([
    [1, 1000],
    [2, 2000],
    [3, 4000],
    [4, 8000],
    [5, 16_000],
    [6, 32_000],
    [9, 256_000],
    [10, 300_000],
    [100, 300_000],
    [5000, 300_000],
  ])('after attempt %i is %i ms by default', (attemptNumber, delay) => {
    expect(delayBeforeNext(attemptNumber, null, DEFAULTS, NO_JITTER)).toBe(delay);
  });

  it.each([
    [0, 750],
    [0.5, 1000],
    [0.999999, 1250],
  ])('with the random number %d is %i ms', (random, delay) => {
    expect(delayBeforeNext(1, null, DEFAULTS, random)).toBe(delay);
  });

  it('stays the same with a multiplier of 1', () => {
    expect(delayBeforeNext(5, null, { ...DEFAULTS, multiplier: 1 }, NO_JITTER)).toBe(1000);
  });

  it.each([
    ['is a Retry-After that is longer', 60_000, 60_000],
    ['is longer than a short Retry-After', 10, 1000],
    ['is not shortened by a Retry-After that is over', 0, 1000],
    ['is at most RETRY_AFTER_MAX_MS for a Retry-After that is too long', 1e15, 3_600_000],
  ])('%s', (_, retryAfterMs, delay) => {
    expect(delayBeforeNext(1, retryAfterMs, DEFAULTS, NO_JITTER)).toBe(delay);
  });

  it('is a whole number of milliseconds, within 25 % of the exponential delay, or the Retry-After', () => {
    const policy = fc.record({
      baseMs: fc.integer({ min: 1, max: 3_600_000 }),
      maxMs: fc.integer({ min: 1, max: 86_400_000 }),
      multiplier: fc.double({ min: 1, max: 10, noNaN: true }),
      retryAfterMaxMs: fc.integer({ min: 0, max: 86_400_000 }),
    });
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const retryAfter = fc.option(fc.nat({ max: 1e12 }));
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        retryAfter,
        policy,
        random,
        (attempt, retryAfterMs, backoff, number) => {
          const delay = delayBeforeNext(attempt, retryAfterMs, backoff, number);
          const exponential = Math.min(backoff.maxMs, backoff.baseMs * backoff.multiplier ** (attempt - 1));
          const asked = Math.min(retryAfterMs ?? 0, backoff.retryAfterMaxMs);
          expect(Number.isInteger(delay)).toBe(true);
          expect(delay).toBeGreaterThanOrEqual(Math.max(Math.floor(exponential * 0.75), asked));
          expect(delay).toBeLessThanOrEqual(Math.max(Math.ceil(exponential * 1.25), asked));
        },
      ),
    );
  });
});

describe('a Retry-After header', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');

  it.each([
    ['120', 120_000],
    ['0', 0],
    [' 5 ', 5000],
    ['Sun, 01 Mar 2026 12:01:00 GMT', 60_000],
    ['sun, 01 mar 2026 12:01:00 gmt', 60_000],
    ['Sunday, 01-Mar-26 12:01:00 GMT', 60_000],
    ['Sun, 01 Mar 2026 11:59:00 GMT', 0],
  ])('of %j is %i ms', (value, delay) => {
    expect(parseRetryAfter(value, undefined, now)).toBe(delay);
  });

  it.each([
    '',
    '-5',
    '1.5',
    '1e3',
    '0x10',
    'soon',
    'Sunday',
    '2026-03-01T12:01:00Z',
    '12:01',
    'Sun, 99 Xyz 2026',
  ])('of %j is ignored', (value) => {
    expect(parseRetryAfter(value, undefined, now)).toBeNull();
  });

  it.each([
    ['an hour ahead of', 'Sun, 01 Mar 2026 13:00:00 GMT', 'Sun, 01 Mar 2026 13:01:00 GMT'],
    ['an hour behind', 'Sun, 01 Mar 2026 11:00:00 GMT', 'Sun, 01 Mar 2026 11:01:00 GMT'],
  ])('with a date counts from the Date header of its answer, whose clock is %s the clock here', (_, sentAt, value) => {
    expect(parseRetryAfter(value, sentAt, now)).toBe(60_000);
  });

  it.each(['', 'yesterday', '-1'])('with a date counts from now if the Date header is %j', (sentAt) => {
    expect(parseRetryAfter('Sun, 01 Mar 2026 12:01:00 GMT', sentAt, now)).toBe(60_000);
  });

  it('is parsed without throwing, and never negative', () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer().map(String),
      fc.date().map(String),
      fc.string().map((text) => `Mon ${text}`),
    );
    fc.assert(
      fc.property(value, (text) => {
        const delay = parseRetryAfter(text, undefined, now);
        if (delay !== null) expect(delay).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});

describe('the wait before the next try', () => {
  const OPTIONS = { initialMs: 250, maxMs: 5000 };

  it.each([
    [1, 250],
    [2, 500],
    [5, 4000],
    [6, 5000],
    [100, 5000],
    [5000, 5000],
  ])('after %i failures in a row is %i ms', (failures, ms) => {
    expect(backoff(OPTIONS, failures)).toBe(ms);
  });

  it.each([
    [0, 187.5],
    [0.5, 250],
    [0.75, 281.25],
  ])('with a jitter of a quarter and the random number %d is %d ms', (random, ms) => {
    expect(backoff({ ...OPTIONS, jitter: 0.25 }, 1, random)).toBe(ms);
  });

  it('does not depend on the random number without a jitter', () => {
    expect([0, 0.3, 0.9].map((random) => backoff(OPTIONS, 2, random))).toEqual([500, 500, 500]);
  });

  it('grows by the given factor', () => {
    expect([1, 2, 3, 4].map((failures) => backoff({ ...OPTIONS, factor: 4 }, failures))).toEqual([
      250, 1000, 4000, 5000,
    ]);
  });
});
