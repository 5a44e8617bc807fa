import { describe, expect, test } from 'vitest';
import { type PlanOptions, plannedCount, planOf } from '../../src/load/plan.ts';

const OPTIONS: PlanOptions = {
  perSecond: 10,
  burst: [1, 1],
  size: [300, 300],
  durationMs: null,
  count: 5,
  seed: 1,
};
const plan = (options: Partial<PlanOptions>) => [...planOf({ ...OPTIONS, ...options })];
const dueTimes = (options: Partial<PlanOptions>) => plan(options).map(({ dueMs }) => dueMs);

describe('a plan', () => {
  test('has one message after the other at its rate', () => {
    expect(dueTimes({})).toEqual([0, 100, 200, 300, 400]);
  });

  test('has a message each 30 seconds at a rate of one in 30 seconds', () => {
    expect(dueTimes({ perSecond: 1 / 30, count: 3 })).toEqual([0, 30_000, 60_000]);
  });

  test('has the messages of a burst at the same time, and keeps the average rate', () => {
    expect(dueTimes({ burst: [3, 3], count: 7 })).toEqual([0, 0, 0, 300, 300, 300, 600]);
  });

  test('keeps the average rate with random bursts', () => {
    const last = plan({ perSecond: 2000, burst: [1, 100], count: 40_000 }).at(-1)!;
    expect(last.number).toBe(40_000);
    expect(last.dueMs).toBeGreaterThan(19_900);
    expect(last.dueMs).toBeLessThan(20_000);
  });

  test('ends before the first message that would be due at the end of its duration', () => {
    expect(dueTimes({ count: null, durationMs: 300 })).toEqual([0, 100, 200]);
  });

  test('ends by its count or its duration, whichever is first', () => {
    expect(plan({ count: 2, durationMs: 1000 })).toHaveLength(2);
    expect(plan({ count: 100, durationMs: 1000 })).toHaveLength(10);
  });

  test('numbers its messages from 1, without a gap', () => {
    expect(plan({ burst: [2, 4] }).map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  });

  test('has sizes from the range, both ends included', () => {
    const sizes = new Set(plan({ size: [64, 66], count: 200 }).map(({ bytes }) => bytes));
    expect([...sizes].sort()).toEqual([64, 65, 66]);
  });

  test('is the same for the same seed, and another one for another seed', () => {
    const options = { burst: [1, 50], size: [64, 4000], count: 1000 } as const;
    expect(plan({ ...options, seed: 7 })).toEqual(plan({ ...options, seed: 7 }));
    expect(plan({ ...options, seed: 8 })).not.toEqual(plan({ ...options, seed: 7 }));
  });
});

test.each([
  [{ count: 5 }, 5],
  [{ count: null, durationMs: 300 }, 3],
  [{ count: null, durationMs: 301 }, 4],
  [{ count: 2, durationMs: 300 }, 2],
  [{ count: null, durationMs: 300, burst: [1, 9] as const }, null],
])('a plan of %j has %s messages', (options, count) => {
  expect(plannedCount({ ...OPTIONS, ...options })).toBe(count);
  if (count !== null) expect(plan(options)).toHaveLength(count);
});
