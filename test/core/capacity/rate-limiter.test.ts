import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../src/core/capacity/rate-limiter.ts';

/** How many get through from `from` to `to`, looked at so often, in milliseconds. */
function through(rate: RateLimiter, from: number, to: number, everyMs = 1): number {
  let used = 0;
  for (let now = from; now < to; now += everyMs) {
    while (rate.available(now) > 0) {
      rate.take(now);
      used++;
    }
  }
  return used;
}

describe('a rate', () => {
  it.each([
    [1, 1, 10],
    [5, 1, 50],
    [20, 2, 200],
    [100, 8, 1000],
    [1000, 76, 10_000],
  ])('of %d a second lets %d at once and %d in ten seconds through', (perSecond, burst, inTen) => {
    expect(new RateLimiter(perSecond).available(0)).toBe(burst);
    const total = through(new RateLimiter(perSecond), 0, 10_000);
    expect(total).toBeGreaterThanOrEqual(inTen);
    expect(total).toBeLessThanOrEqual(inTen + burst);
  });

  it('may be slower than one a second', () => {
    const rate = new RateLimiter(0.1);
    rate.take(0);
    expect([rate.available(9924), rate.nextAt, rate.available(9925)]).toEqual([0, 9925, 1]);
    rate.take(9925);
    expect(rate.nextAt).toBe(19_925);
  });

  it('saves up no more than its burst', () => {
    const rate = new RateLimiter(100);
    expect(rate.available(1_000_000)).toBe(8);
  });

  it.each([
    5, 10, 20, 50, 100,
  ])('of %d a second is kept by who looks every 50 ms, and is a bit late', (perSecond) => {
    expect(through(new RateLimiter(perSecond), 0, 10_000, 57)).toBeGreaterThanOrEqual(0.98 * 10 * perSecond);
  });
});
