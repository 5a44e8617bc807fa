import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from '../../../src/core/capacity/circuit-breaker.ts';

/** The random number that neither shortens nor lengthens the open time. */
const NO_JITTER = 0.5;
const create = (failureRateThreshold = 0.8, windowMs = 10_000) =>
  new CircuitBreaker({ failureRateThreshold, windowMs });

/** Reports one attempt per millisecond: `F` for a failure, `s` for a success. Returns the time after the last one. */
function play(breaker: CircuitBreaker, results: string, from = 0): number {
  let now = from;
  for (const result of results) {
    if (result === 's') breaker.onSuccess(now);
    else breaker.onFailure(now, false, 0, 0, NO_JITTER);
    now++;
  }
  return now;
}

describe('a circuit breaker', () => {
  it.each([
    ['no attempt', '', true],
    ['two failures without any success', 'F'.repeat(2), true],
    ['three failures without any success', 'F'.repeat(3), false],
    ['nine failures in a row', `ssssss${'F'.repeat(9)}`, true],
    ['ten failures in a row', `ssssss${'F'.repeat(10)}`, false],
    ['failures of half of 200 attempts', 'Fs'.repeat(100), true],
    ['four failures in five attempts, too few to judge', 'sFFFF', true],
    ['eight failures in ten attempts', 'sFFFFsFFFF', false],
    ['seven failures in ten attempts', 'sFFFssFFFF', true],
  ])('after %s ("%s") is closed: %s', (_what, results, closed) => {
    const breaker = create();
    play(breaker, results);
    expect(breaker.isClosed()).toBe(closed);
  });

  it('opens after ten failures in a row, however long they took', () => {
    const breaker = create();
    breaker.onSuccess(0);
    for (let number = 1; number <= 10; number++) breaker.onFailure(number * 60_000, false, 0, 0, NO_JITTER);
    expect(breaker.isClosed()).toBe(false);
  });

  it('computes the failure rate over its window only', () => {
    const breaker = create();
    play(breaker, 'sFFF');
    breaker.onSuccess(20_000);
    expect(breaker.counts(20_000)).toEqual({ successes: 1, failures: 0 });
    play(breaker, 'FFF', 20_001);
    expect(breaker.isClosed()).toBe(true);
  });

  it('is half-open when its open time is over', () => {
    const breaker = create();
    const now = play(breaker, 'F'.repeat(5));
    expect(breaker.isHalfOpen(now)).toBe(false);
    expect(breaker.openUntil).toBe(2 + 250);
    expect(breaker.isHalfOpen(2 + 250)).toBe(true);
  });

  it('closes at a success, and then counts from zero', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    breaker.onSuccess(2000);
    expect(breaker.isClosed()).toBe(true);
    play(breaker, 'F'.repeat(8), 2001);
    expect(breaker.isClosed()).toBe(true);
  });

  it.each([
    ['at least 250 ms', 0, 250],
    ['a minute', 60_000, 2000],
    ['ten minutes', 600_000, 20_000],
    ['at most half a minute', 86_400_000, 30_000],
  ])('after a failed probe stays open for a thirtieth of the outage: %s, after %d ms, for %d ms', (_when, outageMs, openMs) => {
    const breaker = create();
    play(breaker, 'F'.repeat(3));
    const now = 2 + outageMs;
    breaker.onFailure(now, true, 5, 0, NO_JITTER);
    expect(breaker.openUntil).toBe(now + openMs);
  });

  it('stays open for five times the duration of its last probe, at most half a minute', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    const waits = [100, 2000, 30_000].map((durationMs) => {
      breaker.onFailure(1000, true, durationMs, 0, NO_JITTER);
      return breaker.openUntil! - 1000;
    });
    expect(waits).toEqual([500, 10_000, 30_000]);
  });

  it('is not kept open by attempts that started before it opened', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    const until = breaker.openUntil;
    play(breaker, 'F'.repeat(50), 5);
    expect(breaker.openUntil).toBe(until);
  });

  it.each([
    ['opens it', 'F'.repeat(2)],
    ['ends while it is open', 'F'.repeat(5)],
  ])('stays open for the Retry-After of an attempt that %s', (_when, before) => {
    const breaker = create();
    const now = play(breaker, before);
    breaker.onFailure(now, false, 0, 60_000, NO_JITTER);
    expect(breaker.openUntil).toBe(now + 60_000);
  });

  it('is half-open up to a quarter of its open time earlier or later, at random', () => {
    for (const [random, ms] of [
      [0, 187.5],
      [1, 312.5],
    ] as const) {
      const breaker = create();
      play(breaker, 'F'.repeat(2));
      breaker.onFailure(2, false, 0, 0, random);
      expect(breaker.openUntil).toBe(2 + ms);
    }
  });

  it('can be made half-open while it is closed, and closes at a success', () => {
    const breaker = create();
    breaker.halfOpen(5);
    expect(breaker.isHalfOpen(5)).toBe(true);
    breaker.onSuccess(6);
    expect(breaker.isClosed()).toBe(true);
  });

  it('keeps its open time when it is made half-open while it is open', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(2));
    breaker.onFailure(2, false, 0, 60_000, NO_JITTER);
    breaker.halfOpen(3);
    expect(breaker.openUntil).toBe(60_002);
  });
});
