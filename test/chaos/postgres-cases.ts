import { setTimeout as wait } from 'node:timers/promises';
import { withDatabase } from '../../src/commands/connect/open-database.ts';
import { countAttempts } from '../../src/postgres/tables/attempts-table.ts';
import { readConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';
import type { ChaosCase, Check } from './case.ts';
import { STREAM } from './queue.ts';
import type { ChaosScene } from './scene.ts';
import type { Verdict } from './verdict.ts';
import { LONG_TIMEOUTS } from './worker-settings.ts';

/** The minimum of ATTEMPT_BUFFER_ROWS. */
const BUFFER_ROWS = 1000;
/** More than the buffers of two workers hold. */
const BURST = 3 * BUFFER_ROWS;

export const POSTGRES_CASES: readonly ChaosCase[] = [
  {
    name: 'PostgreSQL away until the buffers overflow',
    scene: {
      database: true,
      settings: { ...LONG_TIMEOUTS, ATTEMPT_BUFFER_ROWS: String(BUFFER_ROWS), CONCURRENCY: '100' },
    },
    injections: { forMs: [500, 2000] },
    async inject({ database, load }, { forMs }) {
      await database!.kill();
      await load.burst(BURST);
      await load.arrived(BURST);
      await wait(forMs);
      await database!.restart();
      return null;
    },
    check: countsAddUp,
  },
  {
    name: 'PostgreSQL killed (kill -9) and restarted',
    scene: { database: true, settings: LONG_TIMEOUTS },
    injections: { times: [2, 3] },
    async inject({ database }, { forMs }) {
      await database!.kill();
      await wait(forMs);
      await database!.restart();
      return null;
    },
    check: countsAddUp,
  },
  {
    name: 'PostgreSQL stopped (SIGSTOP), then continued',
    scene: { database: true, settings: LONG_TIMEOUTS },
    injections: { forMs: [3000, 6000] },
    async inject({ database }, { forMs }) {
      await database!.pause();
      await wait(forMs);
      await database!.resume();
      return null;
    },
    check: countsAddUp,
  },
];

/** No worker was killed. So each delivery is counted once, and each attempt is stored as a row or counted as dropped. */
async function countsAddUp(
  { workers, database }: ChaosScene,
  { accepted, delivered, doubled }: Verdict,
): Promise<Check> {
  await Promise.all(workers.map((worker) => worker.terminate()));
  return withDatabase(database!.url, async (pool) => {
    const stats = await readConsumerStats(pool, STREAM);
    const sum = (column: 'acknowledged' | 'attempts' | 'rowsDropped') =>
      stats.reduce((total, row) => total + row[column], 0);
    const rows = await countAttempts(pool);
    const deliveries = delivered + doubled;
    return {
      holds:
        sum('acknowledged') === deliveries &&
        sum('attempts') === rows + sum('rowsDropped') &&
        (accepted < BURST || sum('rowsDropped') > 0),
      says:
        `rule_nats_consumer_stats counts ${sum('acknowledged')} of ${deliveries} deliveries; ` +
        `${rows} rows of attempts and ${sum('rowsDropped')} dropped make ${sum('attempts')} attempts`,
    };
  });
}
