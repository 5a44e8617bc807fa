import { describe, expect, test } from 'vitest';
import { CallerRates } from '../../../src/core/ingest/caller-rates.ts';

/** How many of `count` requests at `now` are taken. */
function takenOf(rates: CallerRates, count: number, now: number, caller = 'a'): number {
  let taken = 0;
  for (let request = 0; request < count; request++) if (rates.take(caller, now) === null) taken++;
  return taken;
}

describe('the rate of a caller', () => {
  test.each<[perSecond: number, atOnce: number]>([
    [100, 100],
    [1, 1],
    [0.1, 1],
    [2.5, 2],
  ])('%d per second: at once, he may send %d', (perSecond, atOnce) => {
    expect(takenOf(new CallerRates(perSecond), 1000, 0)).toBe(atOnce);
  });

  test.each<[perSecond: number, seconds: number]>([
    [100, 10],
    [1, 60],
    [0.1, 600],
    [3, 20],
  ])('%d per second: in %d s of trying, he sends his rate and what he may send at once', (perSecond, seconds) => {
    const rates = new CallerRates(perSecond);
    let taken = 0;
    for (let now = 0; now < seconds * 1000; now += 7) taken += takenOf(rates, 3, now);
    const most = perSecond * seconds + Math.max(1, perSecond);
    expect(taken).toBeLessThanOrEqual(most);
    expect(taken).toBeGreaterThanOrEqual(most - 2);
  });

  test('who is refused learns when he may send, and may send then', () => {
    const rates = new CallerRates(10);
    takenOf(rates, 10, 0);
    const waitMs = rates.take('a', 0)!;
    expect(waitMs).toBeCloseTo(100, 6);
    expect(rates.take('a', waitMs - 1)).not.toBeNull();
    expect(rates.take('a', waitMs)).toBeNull();
  });

  test('who owes nothing is never refused, whatever the clock shows', () => {
    const rates = new CallerRates(0.02);
    for (let caller = 0; caller < 1000; caller++)
      expect(rates.take(`caller ${caller}`, 12_345.6789 * caller + 0.1)).toBeNull();
  });

  test('a request that is refused counts nothing', () => {
    const rates = new CallerRates(10);
    takenOf(rates, 1000, 0);
    expect(rates.take('a', 100)).toBeNull();
  });

  test('a batch counts each of its webhooks, also more than he may send at once', () => {
    const rates = new CallerRates(100);
    expect(rates.take('a', 0)).toBeNull();
    rates.add('a', 999, 0);
    expect(rates.take('a', 0)).toBeCloseTo(9010, 6);
    expect(rates.take('a', 9009)).not.toBeNull();
    expect(rates.take('a', 9011)).toBeNull();
  });

  test('who was silent for long has no more than what he may send at once', () => {
    const rates = new CallerRates(10);
    takenOf(rates, 10, 0);
    expect(takenOf(rates, 1000, 3_600_000)).toBe(10);
  });

  test('a caller costs no other one anything', () => {
    const rates = new CallerRates(10);
    takenOf(rates, 1000, 0, 'a');
    expect(takenOf(rates, 1000, 0, 'b')).toBe(10);
  });

  test('ten thousand other callers do not refuse one, and the memory stays bounded', () => {
    const rates = new CallerRates(1);
    takenOf(rates, 10, 0);
    for (let caller = 0; caller < 30_000; caller++) expect(rates.take(`other ${caller}`, 0)).toBeNull();
    expect(rates.take('a', 0)).toBeNull();
  });
});
