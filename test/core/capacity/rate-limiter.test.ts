import { describe, expect, it } from 'vitest';
import { Rate } from '../../../src/core/capacity/rate-limiter.ts';

/** How many get through from `from` to `to`, looked at so often, in milliseconds. */
function through(rate: Rate, from: number, to: number, everyMs = 1): number {
  let used = 0;
  for (let now = from; now < to; now += everyMs) {
    while (rate.allowed(now) > 0) {
      rate.use(now);
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
    expect(new Rate(perSecond).allowed(0)).toBe(burst);
    const total = through(new Rate(perSecond), 0, 10_000);
    expect(total).toBeGreaterThanOrEqual(inTen);
    expect(total).toBeLessThanOrEqual(inTen + burst);
  });

  it('may be slower than one a second', () => {
    const rate = new Rate(0.1);
    rate.use(0);
    expect([rate.allowed(9924), rate.nextAt, rate.allowed(9925)]).toEqual([0, 9925, 1]);
    rate.use(9925);
    expect(rate.nextAt).toBe(19_925);
  });

  it('saves up no more than its burst', () => {
    const rate = new Rate(100);
    expect(rate.allowed(1_000_000)).toBe(8);
  });

  it.each([
    5, 10, 20, 50, 100,
  ])('of %d a second is kept by who looks every 50 ms, and is a bit late', (perSecond) => {
    expect(through(new Rate(perSecond), 0, 10_000, 57)).toBeGreaterThanOrEqual(0.98 * 10 * perSecond);
  });
});
