import { describe, expect, it } from 'vitest';
import { CircuitBreaker } from '../../../src/core/capacity/circuit-breaker.ts';

const HALF = 0.5;
const create = (failureRateThreshold = 0.8, windowMs = 10_000) =>
  new CircuitBreaker({ failureRateThreshold, windowMs });

/** `F` fails, `s` succeeds, one millisecond after the other. */
function play(breaker: CircuitBreaker, signs: string, from = 0): number {
  let now = from;
  for (const sign of signs) {
    if (sign === 's') breaker.onSuccess(now);
    else breaker.onFailure(now, false, 0, 0, HALF);
    now++;
  }
  return now;
}

describe('a breaker', () => {
  it.each([
    ['ignore', '', true],
    ['two failures, and no success ever', 'F'.repeat(2), true],
    ['three failures, and no success ever', 'F'.repeat(3), false],
    ['nine failures in a row', `ssssss${'F'.repeat(9)}`, true],
    ['ten failures in a row', `ssssss${'F'.repeat(10)}`, false],
    ['half of many', 'Fs'.repeat(100), true],
    ['four of five, and fewer than ten', 'sFFFF', true],
    ['eight of ten', 'sFFFFsFFFF', false],
    ['seven of ten', 'sFFFssFFFF', true],
  ])('after %s is closed: %#', (_what, signs, closed) => {
    const breaker = create();
    play(breaker, signs);
    expect(breaker.isClosed()).toBe(closed);
  });

  it('opens after ten failures in a row, however slow they come', () => {
    const breaker = create();
    breaker.onSuccess(0);
    for (let number = 1; number <= 10; number++) breaker.onFailure(number * 60_000, false, 0, 0, HALF);
    expect(breaker.isClosed()).toBe(false);
  });

  it('takes the share over its window only', () => {
    const breaker = create();
    play(breaker, 'sFFF');
    breaker.onSuccess(20_000);
    expect(breaker.counts(20_000)).toEqual({ successes: 1, failures: 0 });
    play(breaker, 'FFF', 20_001);
    expect(breaker.isClosed()).toBe(true);
  });

  it('is half-open when its time is over', () => {
    const breaker = create();
    const now = play(breaker, 'F'.repeat(5));
    expect(breaker.isHalfOpen(now)).toBe(false);
    expect(breaker.openUntil).toBe(2 + 250);
    expect(breaker.isHalfOpen(2 + 250)).toBe(true);
  });

  it('closes at a success, and starts anew', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    breaker.onSuccess(2000);
    expect(breaker.isClosed()).toBe(true);
    play(breaker, 'F'.repeat(8), 2001);
    expect(breaker.isClosed()).toBe(true);
  });

  it.each([
    ['at first', 0, 250],
    ['after a minute', 60_000, 2000],
    ['after ten minutes', 600_000, 20_000],
    ['after a day', 86_400_000, 30_000],
  ])('that a probe opens again stays so for a thirtieth of the outage: %s', (_when, after, openMs) => {
    const breaker = create();
    play(breaker, 'F'.repeat(3));
    const now = 2 + after;
    breaker.onFailure(now, true, 5, 0, HALF);
    expect(breaker.openUntil).toBe(now + openMs);
  });

  it('stays open for five times as long as its probe took, for half a minute at most', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    const waits = [100, 2000, 30_000].map((durationMs) => {
      breaker.onFailure(1000, true, durationMs, 0, HALF);
      return breaker.openUntil! - 1000;
    });
    expect(waits).toEqual([500, 10_000, 30_000]);
  });

  it('is not kept open by attempts that began before it opened', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    const until = breaker.openUntil;
    play(breaker, 'F'.repeat(50), 5);
    expect(breaker.openUntil).toBe(until);
  });

  it.each([
    ['when it opens', 'F'.repeat(2)],
    ['while it is open', 'F'.repeat(5)],
  ])('stays open as long as the endpoint asks, %s', (_when, before) => {
    const breaker = create();
    const now = play(breaker, before);
    breaker.onFailure(now, false, 0, 60_000, HALF);
    expect(breaker.openUntil).toBe(now + 60_000);
  });

  it('opens a quarter earlier or later, at random', () => {
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

  it('lets one probe find out, when what is known is in doubt', () => {
    const breaker = create();
    breaker.halfOpen(5);
    expect(breaker.isHalfOpen(5)).toBe(true);
    breaker.onSuccess(6);
    expect(breaker.isClosed()).toBe(true);
  });

  it('stays open for its time, in doubt or not', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(2));
    breaker.onFailure(2, false, 0, 60_000, 0.5);
    breaker.halfOpen(3);
    expect(breaker.openUntil).toBe(60_002);
  });
});
