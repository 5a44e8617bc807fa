import { describe, expect, it } from 'vitest';
import { Breaker } from '../../src/core/breaker.ts';

const HALF = 0.5;
const create = (failureShare = 0.8, windowMs = 10_000) => new Breaker({ failureShare, windowMs });

/** `F` fails, `s` succeeds, one millisecond after the other. */
function play(breaker: Breaker, signs: string, from = 0): number {
  let now = from;
  for (const sign of signs) {
    if (sign === 's') breaker.succeeded(now);
    else breaker.failed(now, false, 0, HALF);
    now++;
  }
  return now;
}

describe('a breaker', () => {
  it.each([
    ['nothing', '', true],
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
    breaker.succeeded(0);
    for (let number = 1; number <= 10; number++) breaker.failed(number * 60_000, false, 0, HALF);
    expect(breaker.isClosed()).toBe(false);
  });

  it('takes the share over its window only', () => {
    const breaker = create();
    play(breaker, 'sFFF');
    breaker.succeeded(20_000);
    expect(breaker.tally(20_000)).toEqual({ successes: 1, failures: 0 });
    play(breaker, 'FFF', 20_001);
    expect(breaker.isClosed()).toBe(true);
  });

  it('is half-open when its time is over', () => {
    const breaker = create();
    const now = play(breaker, 'F'.repeat(5));
    expect(breaker.isHalfOpen(now)).toBe(false);
    expect(breaker.openUntil).toBe(2 + 1000);
    expect(breaker.isHalfOpen(2 + 1000)).toBe(true);
  });

  it('closes at a success, and starts anew', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(5));
    breaker.succeeded(2000);
    expect(breaker.isClosed()).toBe(true);
    play(breaker, 'F'.repeat(8), 2001);
    expect(breaker.isClosed()).toBe(true);
  });

  it('stays open twice as long after each probe that fails, for half a minute at most', () => {
    const breaker = create();
    let now = play(breaker, 'F'.repeat(5));
    const waits = Array.from({ length: 7 }, () => {
      now = breaker.openUntil!;
      breaker.failed(now, true, 0, HALF);
      return breaker.openUntil! - now;
    });
    expect(waits).toEqual([2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
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
    breaker.failed(now, false, 60_000, HALF);
    expect(breaker.openUntil).toBe(now + 60_000);
  });

  it('opens a quarter earlier or later, at random', () => {
    for (const [random, ms] of [
      [0, 750],
      [1, 1250],
    ] as const) {
      const breaker = create();
      play(breaker, 'F'.repeat(2));
      breaker.failed(2, false, 0, random);
      expect(breaker.openUntil).toBe(2 + ms);
    }
  });

  it('lets one probe find out, when what is known is in doubt', () => {
    const breaker = create();
    breaker.doubt(5);
    expect(breaker.isHalfOpen(5)).toBe(true);
    breaker.succeeded(6);
    expect(breaker.isClosed()).toBe(true);
  });

  it('stays open for its time, in doubt or not', () => {
    const breaker = create();
    play(breaker, 'F'.repeat(2));
    breaker.failed(2, false, 60_000, 0.5);
    breaker.doubt(3);
    expect(breaker.openUntil).toBe(60_002);
  });
});
