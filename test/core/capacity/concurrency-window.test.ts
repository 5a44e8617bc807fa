import { describe, expect, it } from 'vitest';
import { ConcurrencyWindow } from '../../../src/core/capacity/concurrency-window.ts';

/** One response time of 50 ms: as many attempts as the window allows start together, and succeed together. */
function roundTrip(window: ConcurrencyWindow, now: number): void {
  const count = window.size;
  for (let inFlight = 1; inFlight <= count; inFlight++) window.onAcquired(inFlight, now);
  for (let ended = 0; ended < count; ended++) window.onSuccess(now + 50, 200);
}

describe('a concurrency window', () => {
  it('triples in each response time while all of it is used, up to the number of slots', () => {
    const window = new ConcurrencyWindow(10, 100);
    const sizes = [0, 50, 100].map((now) => {
      roundTrip(window, now);
      return window.size;
    });
    expect(sizes).toEqual([30, 90, 100]);
  });

  it('does not grow at successes while most of it is unused', () => {
    const window = new ConcurrencyWindow(10, 100);
    for (let count = 0; count < 1000; count++) {
      window.onAcquired(4, count);
      window.onSuccess(count, 200);
    }
    expect(window.size).toBe(10);
  });

  it('is halved once for all overloads within one response time, and never below its initial size', () => {
    const window = new ConcurrencyWindow(10, 100);
    for (const now of [0, 50, 100]) roundTrip(window, now);
    for (const now of [200, 210, 399]) window.onOverload(now, 200);
    expect(window.size).toBe(50);
    for (const now of [400, 600, 800, 1000]) window.onOverload(now, 200);
    expect(window.size).toBe(10);
  });

  it('grows again after an overload', () => {
    const window = new ConcurrencyWindow(10, 100);
    for (const now of [0, 50, 100]) roundTrip(window, now);
    window.onOverload(200, 200);
    window.onAcquired(50, 200);
    window.onSuccess(250, 200);
    expect(window.size).toBe(52);
    expect(window.grownAt).toBe(250);
  });
});
