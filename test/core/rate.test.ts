import { describe, expect, it } from 'vitest';
import { Rate } from '../../src/core/rate.ts';

/** How many get through from `from` to `to`, looked at every millisecond. */
function through(rate: Rate, from: number, to: number): number {
  let used = 0;
  for (let now = from; now < to; now++) {
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
    [100, 5, 1000],
    [1000, 50, 10_000],
  ])('of %d a second lets %d at once and %d in ten seconds through', (perSecond, burst, inTen) => {
    expect(new Rate(perSecond).allowed(0)).toBe(burst);
    const total = through(new Rate(perSecond), 0, 10_000);
    expect(total).toBeGreaterThanOrEqual(inTen);
    expect(total).toBeLessThanOrEqual(inTen + burst);
  });

  it('may be slower than one a second', () => {
    const rate = new Rate(0.1);
    rate.use(0);
    expect([rate.allowed(9999), rate.nextAt, rate.allowed(10_000)]).toEqual([0, 10_000, 1]);
  });

  it('saves up no more than its burst', () => {
    const rate = new Rate(100);
    expect(rate.allowed(1_000_000)).toBe(5);
  });
});
