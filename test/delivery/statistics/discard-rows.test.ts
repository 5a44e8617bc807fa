import { expect, it } from 'vitest';
import type { AttemptRecord } from '../../../src/core/records/statistics.ts';
import { DiscardRows } from '../../../src/delivery/statistics/discard-rows.ts';

const MINUTE_MS = 60_000;

const rowOf = (endpointKey: string, error: string) => ({ endpointKey, error }) as AttemptRecord;
const stored = (rows: DiscardRows, count: number, row: (n: number) => AttemptRecord, now = 0) =>
  Array.from({ length: count }, (_, n) => rows.mayStore(row(n), now)).filter(Boolean).length;

it('The first 1,000 discarded messages of a kind have a row in each minute', () => {
  const rows = new DiscardRows();
  expect(stored(rows, 5000, () => rowOf('orders', 'type a'))).toBe(1000);
  expect(stored(rows, 10, () => rowOf('orders', 'type b'))).toBe(10);
  expect(stored(rows, 10, () => rowOf('other', 'type a'))).toBe(10);
  expect(stored(rows, 5000, () => rowOf('orders', 'type a'), MINUTE_MS)).toBe(1000);
});

it('Kinds that are all different have 10,000 rows in a minute', () => {
  const rows = new DiscardRows();
  expect(stored(rows, 20_000, (n) => rowOf('orders', `type ${n}`))).toBe(10_000);
  expect(stored(rows, 20, (n) => rowOf('orders', `type ${n}`), MINUTE_MS)).toBe(20);
});
