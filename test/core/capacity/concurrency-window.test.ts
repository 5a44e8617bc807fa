import { describe, expect, it } from 'vitest';
import { ConcurrencyWindow } from '../../../src/core/capacity/concurrency-window.ts';

/** One response time of 50 ms: all that fit in begin together, and end well together. */
function roundTrip(window: ConcurrencyWindow, now: number): void {
  const count = window.size;
  for (let inFlight = 1; inFlight <= count; inFlight++) window.onAcquired(inFlight, now);
  for (let ended = 0; ended < count; ended++) window.onSuccess(now + 50, 200);
}

describe('a window', () => {
  it('trebles within each response time while it is used in full, up to all slots', () => {
    const window = new ConcurrencyWindow(10, 100);
    const sizes = [0, 50, 100].map((now) => {
      roundTrip(window, now);
      return window.size;
    });
    expect(sizes).toEqual([30, 90, 100]);
  });

  it('does not grow by successes that do not need it', () => {
    const window = new ConcurrencyWindow(10, 100);
    for (let count = 0; count < 1000; count++) {
      window.onAcquired(4, count);
      window.onSuccess(count, 200);
    }
    expect(window.size).toBe(10);
  });

  it('is halved once for all that were under way together, and never below its first size', () => {
    const window = new ConcurrencyWindow(10, 100);
    for (const now of [0, 50, 100]) roundTrip(window, now);
    for (const now of [200, 210, 399]) window.onOverload(now, 200);
    expect(window.size).toBe(50);
    for (const now of [400, 600, 800, 1000]) window.onOverload(now, 200);
    expect(window.size).toBe(10);
  });

  it('grows again after that', () => {
    const window = new ConcurrencyWindow(10, 100);
    for (const now of [0, 50, 100]) roundTrip(window, now);
    window.onOverload(200, 200);
    window.onAcquired(50, 200);
    window.onSuccess(250, 200);
    expect(window.size).toBe(52);
    expect(window.grownAt).toBe(250);
  });
});
