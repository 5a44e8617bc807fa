import { expect, it } from 'vitest';
import { afterFailure, RowRate, untilFullLook, untilNextLook } from '../../../src/core/outbox/pace.ts';

const woken = { pollMs: 1000, canBeWoken: true, isPollSet: false };

it.each([
  ['soon, because a writer may be under way', 1, woken, 20],
  ['later, because that writer takes long', 26, woken, 100],
  ['not rarer than OUTBOX_POLL_MS', 26, { ...woken, pollMs: 5 }, 5],
  ['every 20 ms where no commit can wake the relay', 1000, { ...woken, canBeWoken: false }, 20],
  ['every OUTBOX_POLL_MS there, if that is set', 1, { pollMs: 300, canBeWoken: false, isPollSet: true }, 300],
])('the next look comes %s', (_, emptyLooks, pace, expected) => {
  expect(untilNextLook(emptyLooks, false, pace)).toBe(expected);
});

it.each([
  ['every 5 ms', 1000, woken, 5],
  [
    'as rarely as OUTBOX_POLL_MS where no commit can wake the relay',
    1,
    { ...woken, canBeWoken: false, isPollSet: true },
    1000,
  ],
])('while rows come fast, the next look comes %s', (_, emptyLooks, pace, expected) => {
  expect(untilNextLook(emptyLooks, true, pace)).toBe(expected);
});

it('rows come fast from 100 in a second on, until they come slowly again', () => {
  const rate = new RowRate();
  expect(rate.isBusy(0)).toBe(false);
  rate.add(99, 0);
  expect(rate.isBusy(400)).toBe(false);
  rate.add(1, 600);
  expect(rate.isBusy(900)).toBe(true);
  expect(rate.isBusy(1200)).toBe(false);
  rate.add(100, 5000);
  expect([rate.isBusy(5400), rate.isBusy(5900), rate.isBusy(6400)]).toEqual([true, true, false]);
});

it.each([
  [0, 20],
  [1, 20],
  [10, 200],
  [50, 1000],
  [300, 6000],
  [700, 10_000],
])('after a full look that took %i ms, the next one is due after %i ms', (tookMs, expected) => {
  expect(untilFullLook(tookMs, false)).toBeCloseTo(expected);
});

it('while rows come, the next full look is due at once, unless full looks take long', () => {
  expect([0, 10, 19].map((tookMs) => untilFullLook(tookMs, true))).toEqual([0, 0, 0]);
  expect(untilFullLook(300, true)).toBe(6000);
});

it('waits longer after each failure in a row, up to 5 s, give or take a quarter', () => {
  expect([1, 2, 3, 20].map((failures) => afterFailure(failures, 0.5))).toEqual([100, 200, 400, 5000]);
  expect(afterFailure(1, 0)).toBe(75);
});
