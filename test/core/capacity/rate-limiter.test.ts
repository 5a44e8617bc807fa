import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../../src/core/capacity/rate-limiter.ts';

/** How many permits a caller takes from `from` to `to` if it asks every `everyMs`. Times in milliseconds. */
function permitsTaken(limiter: RateLimiter, from: number, to: number, everyMs = 1): number {
  let taken = 0;
  for (let now = from; now < to; now += everyMs) {
    while (limiter.available(now) > 0) {
      limiter.take(now);
      taken++;
    }
  }
  return taken;
}

describe('a rate limiter', () => {
  it.each([
    [1, 1, 10],
    [5, 1, 50],
    [20, 2, 200],
    [100, 8, 1000],
    [1000, 76, 10_000],
  ])('of %d per second grants %d permits at once and %d in ten seconds', (perSecond, burst, inTenSeconds) => {
    expect(new RateLimiter(perSecond).available(0)).toBe(burst);
    const total = permitsTaken(new RateLimiter(perSecond), 0, 10_000);
    expect(total).toBeGreaterThanOrEqual(inTenSeconds);
    expect(total).toBeLessThanOrEqual(inTenSeconds + burst);
  });

  it('may grant less than one permit per second', () => {
    const limiter = new RateLimiter(0.1);
    limiter.take(0);
    expect([limiter.available(9924), limiter.nextAt, limiter.available(9925)]).toEqual([0, 9925, 1]);
    limiter.take(9925);
    expect(limiter.nextAt).toBe(19_925);
  });

  it('keeps no more unused permits than one burst', () => {
    const limiter = new RateLimiter(100);
    expect(limiter.available(1_000_000)).toBe(8);
  });

  it.each([
    5, 10, 20, 50, 100,
  ])('of %d per second grants nearly all its permits to a caller that asks every 57 ms', (perSecond) => {
    expect(permitsTaken(new RateLimiter(perSecond), 0, 10_000, 57)).toBeGreaterThanOrEqual(
      0.98 * 10 * perSecond,
    );
  });
});
