import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ALL_STORED, NO_COUNTERS, type StatisticsFlush } from '../../../src/core/records/statistics.ts';
import { type MaintainedStatisticsStore, Statistics } from '../../../src/delivery/statistics/statistics.ts';
import { until } from '../../support/wait.ts';

const ONE = { ...NO_COUNTERS, settled: 1 };

function openStatistics(parts: Partial<MaintainedStatisticsStore> = {}) {
  const lines: { msg: string }[] = [];
  const stored: StatisticsFlush[] = [];
  const steps: string[] = [];
  const store: MaintainedStatisticsStore = {
    async prepare() {
      steps.push('prepare');
      await parts.prepare?.();
    },
    async maintain() {
      steps.push('maintain');
      await parts.maintain?.();
    },
    async store(flush) {
      steps.push('store');
      stored.push(flush);
      return ALL_STORED;
    },
  };
  const statistics = new Statistics(
    {
      instanceId: 'i',
      streamName: 's',
      consumerName: 'c',
      queueGroup: 'g',
      description: { version: '1', features: [], settings: {} },
      silentAfterMs: 30_000,
      maxRows: 100,
      maxBytes: 100_000,
      endpoints: () => [],
      intervalMs: 3_600_000,
      log: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
      progress: async () => null,
    },
    store,
  );
  return { statistics, stored, steps, lines };
}

const never = () => new Promise<void>(() => {});

it('prepares its tables before the first flush, and maintains them after it', async () => {
  const { statistics, steps } = openStatistics();
  expect(await statistics.flush()).toBe(true);
  expect(await statistics.flush()).toBe(true);
  expect(steps).toEqual(['prepare', 'store', 'maintain', 'store']);
});

it('flushes while maintenance waits for a lock', async () => {
  const { statistics, stored } = openStatistics({ maintain: never });
  await statistics.flush();
  statistics.add(ONE, null, null);
  expect(await statistics.flush()).toBe(true);
  expect(stored.map(({ counters }) => counters.settled)).toEqual([0, 1]);
  await statistics.stop();
  expect(stored.at(-1)).toMatchObject({ active: false });
});

it('goes on where maintenance fails, and says so once', async () => {
  const { statistics, stored, lines } = openStatistics({ maintain: () => Promise.reject(new Error('no')) });
  await statistics.flush();
  await until(() => lines.length > 0);
  expect(await statistics.flush()).toBe(true);
  expect(statistics.problem).toBeNull();
  expect(stored).toHaveLength(2);
  expect(lines).toMatchObject([{ msg: 'statistics.maintenance_failed', error: 'no' }]);
});

it('keeps its counters until the tables exist', async () => {
  const answers = [() => Promise.reject(new Error('away')), () => Promise.resolve()];
  const { statistics, stored } = openStatistics({ prepare: () => answers.shift()!() });
  statistics.add(ONE, null, null);
  expect(await statistics.flush()).toBe(false);
  expect(statistics.problem).toBe('away');
  expect(await statistics.flush()).toBe(true);
  expect(stored).toMatchObject([{ counters: { settled: 1 } }]);
});

it('stores its last flush also while a migration still waits', async () => {
  const { statistics, stored } = openStatistics({ prepare: never });
  statistics.add(ONE, null, null);
  void statistics.flush();
  await statistics.stop();
  expect(stored.at(-1)).toMatchObject({ active: false });
  expect(stored.reduce((sum, { counters }) => sum + counters.settled, 0)).toBe(1);
});
