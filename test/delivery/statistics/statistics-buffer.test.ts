import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointStateRow } from '../../../src/core/records/endpoint-state.ts';
import {
  ALL_STORED,
  type AttemptRecord,
  type Counters,
  mergeCounters,
  NO_COUNTERS,
  type StatisticsFlush,
} from '../../../src/core/records/statistics.ts';
import { StatisticsBuffer } from '../../../src/delivery/statistics/statistics-buffer.ts';

const ONE: Counters = { ...NO_COUNTERS, settled: 1, acknowledged: 1, attempts: 1, processingMs: 3 };
const at = (pending: number) => ({ pending, streamCreatedAt: 0, ackFloor: 0 });
const ROW = {
  deliveryId: 'a',
  attemptNumber: 1,
  subject: 's',
  url: 'u',
  error: null,
  responseExcerpt: null,
} as AttemptRecord;
const LARGE = { ...ROW, responseExcerpt: 'x'.repeat(10_000) };

/** Stores each flush once, as the table does. `fails` says of each call whether it fails, before or after it stores. */
function store(fails: ('no' | 'before' | 'after')[] = []) {
  const stored = new Map<number, StatisticsFlush>();
  const calls: StatisticsFlush[] = [];
  return {
    stored,
    calls,
    sum: () => [...stored.values()].reduce((sum, flush) => mergeCounters(sum, flush.counters), NO_COUNTERS),
    async store(flush: StatisticsFlush) {
      calls.push(flush);
      const how = fails.shift() ?? 'no';
      if (how === 'before') throw new Error('PostgreSQL is away');
      if (!stored.has(flush.number)) stored.set(flush.number, flush);
      if (how === 'after') throw new Error('the connection broke, who knows');
      return ALL_STORED;
    },
  };
}

const buffer = (
  to: ReturnType<typeof store>,
  maxRows = 100,
  endpoints = (): EndpointStateRow[] => [],
  maxBytes = 100_000,
) =>
  new StatisticsBuffer(
    {
      instanceId: 'i',
      streamName: 's',
      consumerName: 'c',
      queueGroup: 'g',
      description: { version: '1', features: [], settings: {} },
      silentAfterMs: 30_000,
      maxRows,
      maxBytes,
      endpoints,
    },
    to,
  );

describe('the statistics buffer', () => {
  it('flushes the counters and rows since the last flush', async () => {
    const to = store();
    const statistics = buffer(to);
    statistics.add(ONE, ROW, null);
    await statistics.flush(at(5), true);
    statistics.add(ONE, null, null);
    statistics.add(ONE, null, null);
    await statistics.flush(at(0), false);
    expect(
      to.calls.map(({ number, counters, progress, active, attempts }) => [
        number,
        counters.settled,
        progress?.pending,
        active,
        attempts.length,
      ]),
    ).toEqual([
      [1, 1, 5, true, 1],
      [2, 2, 0, false, 0],
    ]);
  });

  it('repeats a failed flush unchanged before it sends a newer one', async () => {
    const to = store(['after']);
    const statistics = buffer(to);
    statistics.add(ONE, ROW, null);
    await expect(statistics.flush(at(1), true)).rejects.toThrow('who knows');
    statistics.add(ONE, null, null);
    await statistics.flush(at(2), true);
    expect(to.calls[1]).toBe(to.calls[0]);
    expect(to.sum().settled).toBe(2);
  });

  it('reads the endpoint states once per flush, and not again when it repeats a flush', async () => {
    const to = store(['before', 'after']);
    let asked = 0;
    const statistics = buffer(to, 100, () => [{ endpointKey: `asked-${++asked}` } as EndpointStateRow]);
    await expect(statistics.flush(null, true)).rejects.toThrow('away');
    await expect(statistics.flush(null, true)).rejects.toThrow('who knows');
    await statistics.flush(null, true);
    expect(to.calls.map(({ number, endpoints }) => [number, endpoints[0]?.endpointKey])).toEqual([
      [1, 'asked-1'],
      [1, 'asked-1'],
      [1, 'asked-1'],
      [2, 'asked-2'],
    ]);
  });

  it('drops and counts rows beyond its limit of rows, and loses no counter', async () => {
    const to = store();
    const statistics = buffer(to, 3);
    for (let i = 0; i < 10; i++) statistics.add(ONE, ROW, null);
    await statistics.flush(null, true);
    expect(to.calls[0]!.attempts).toHaveLength(3);
    expect(to.sum()).toMatchObject({ settled: 10, rowsDropped: 7 });
  });

  it('drops and counts rows beyond its limit of bytes, rows of an unconfirmed flush included, and takes rows again once the flush is stored', async () => {
    const to = store(['before', 'before']);
    const statistics = buffer(to);
    for (let i = 0; i < 6; i++) statistics.add(ONE, LARGE, null);
    await expect(statistics.flush(null, true)).rejects.toThrow();
    for (let i = 0; i < 6; i++) statistics.add(ONE, LARGE, null);
    expect([statistics.rows, statistics.total.rowsDropped]).toEqual([9, 3]);
    await expect(statistics.flush(null, true)).rejects.toThrow();
    await statistics.flush(null, true);
    for (let i = 0; i < 12; i++) statistics.add(ONE, LARGE, null);
    expect([statistics.rows, statistics.total.rowsDropped]).toEqual([9, 6]);
  });

  it.each([
    ['rows', ROW, 4, 100_000],
    ['bytes', LARGE, 100, 45_000],
  ])('drops and counts the rows of discarded messages first, at its limit of %s', async (_what, row, maxRows, maxBytes) => {
    const to = store();
    const statistics = buffer(to, maxRows, undefined, maxBytes);
    const discard: AttemptRecord = { ...row, verdict: 'discard' };
    for (let i = 0; i < 10; i++) statistics.add(ONE, discard, null);
    for (let i = 0; i < 3; i++) statistics.add(ONE, row, null);
    statistics.add(ONE, discard, null);
    await statistics.flush(null, true);
    expect(to.calls[0]!.attempts).toEqual([row, row, row, discard]);
    expect(to.sum()).toMatchObject({ settled: 14, rowsDropped: 10 });
  });

  it('counts the rows of an unconfirmed flush towards its limit of rows', async () => {
    const to = store(['before', 'before']);
    const statistics = buffer(to, 3);
    for (let i = 0; i < 3; i++) statistics.add(ONE, ROW, null);
    await expect(statistics.flush(null, true)).rejects.toThrow();
    statistics.add(ONE, ROW, null);
    expect(statistics.rows).toBe(3);
    expect(statistics.total.rowsDropped).toBe(1);
  });

  it('stores every count exactly once, however the store fails', async () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), times: fc.integer({ min: 1, max: 5 }) }),
      fc.record({
        kind: fc.constant('flush' as const),
        how: fc.constantFrom('no' as const, 'before' as const, 'after' as const),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40 }), async (actions) => {
        const fails: ('no' | 'before' | 'after')[] = [];
        const to = store(fails);
        const statistics = buffer(to);
        let added = 0;
        for (const next of actions) {
          if (next.kind === 'add') {
            for (let i = 0; i < next.times; i++) statistics.add(ONE, null, null);
            added += next.times;
          } else {
            fails.push(next.how);
            await statistics.flush(null, true).catch(() => undefined);
          }
        }
        fails.length = 0;
        await statistics.flush(null, false);
        expect(to.sum()).toEqual({
          ...NO_COUNTERS,
          settled: added,
          acknowledged: added,
          attempts: added,
          processingMs: 3 * added,
        });
        expect(statistics.total.settled).toBe(added);
      }),
    );
  });
});
