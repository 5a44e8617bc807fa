import type pg from 'pg';
import type { Settings } from '../../config/settings.ts';
import type { MaintainedStatisticsStore } from '../../delivery/statistics/statistics.ts';
import {
  classifyConnectError,
  describeConnectError,
  describeServer,
} from '../../postgres/connection/connect-problem.ts';
import { createPool } from '../../postgres/connection/pool.ts';
import { maintain } from '../../postgres/maintain.ts';
import { migrate } from '../../postgres/migrate.ts';
import { storeFlush } from '../../postgres/store-flush.ts';
import { readStreamRow, type StreamRow } from '../../postgres/tables/streams-table.ts';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';

const WITHOUT = 'Deliveries start without PostgreSQL. Statistics follow when PostgreSQL answers.';

export type Database = {
  readonly pool: pg.Pool;
  readonly statisticsStore: MaintainedStatisticsStore;
  /** The row of `rule_nats_streams` for STREAM_NAME; null if there is none, or if PostgreSQL is away. */
  readonly streamRow: StreamRow | null;
};

/**
 * Opens PostgreSQL and creates its tables. If PostgreSQL is away, the first flush of the statistics creates the tables later.
 *
 * @throws {UserError} If a wait cannot cure the problem: a wrong password, no such database, missing privileges.
 */
export async function openDatabase(settings: Settings, log: Logger): Promise<Database> {
  const pool = createPool({ url: settings.DATABASE_URL, size: settings.DATABASE_POOL_SIZE, log });
  let isMigrated = false;
  const store: MaintainedStatisticsStore = {
    async prepare() {
      if (isMigrated) return;
      await migrate(pool, { log });
      isMigrated = true;
    },
    async maintain() {
      // A connection of its own: while maintenance waits for a lock, nothing else waits for its connection.
      const own = createPool({ url: settings.DATABASE_URL, size: 1, log });
      try {
        await migrate(own, { log });
        await maintain(own, { attemptRetentionDays: settings.ATTEMPT_RETENTION_DAYS, now: Date.now() });
      } finally {
        await own.end();
      }
    },
    async store(flush) {
      return storeFlush(pool, flush);
    },
  };
  try {
    await store.prepare();
    return { pool, statisticsStore: store, streamRow: await readStreamRow(pool, settings.STREAM_NAME) };
  } catch (error) {
    const away = !(error instanceof UserError) && classifyConnectError(error) === 'away';
    if (!away) {
      await pool.end();
      throw asUserError(error, settings.DATABASE_URL);
    }
    const url = settings.DATABASE_URL;
    const hint = `${describeConnectError(error, url)} ${WITHOUT}`;
    const about = { server: describeServer(url), code: errorCode(error), error: errorMessage(error), hint };
    log.warn(about, 'postgres.unreachable');
    return { pool, statisticsStore: store, streamRow: null };
  }
}

function asUserError(error: unknown, url: string): UserError {
  return error instanceof UserError
    ? error
    : new UserError(describeConnectError(error, url), { cause: error });
}
