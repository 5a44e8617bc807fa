import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool } from '../../src/postgres/connection/pool.ts';
import { inTransaction } from '../../src/postgres/connection/transaction.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { readConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';
import { readRecentDeliveries } from '../../src/postgres/tables/deliveries-view.ts';
import { readUnhealthyEndpoints } from '../../src/postgres/tables/endpoint-health-view.ts';
import { readProgress } from '../../src/postgres/tables/group-progress-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, deadLetterOf, endpointStateOf, flushOf } from './records.ts';

/** Defaults of a database that would change what PostgreSQL reads and writes. */
const DEFAULTS = {
  datestyle: `'German, DMY'`,
  timezone: `'Pacific/Chatham'`,
  intervalstyle: 'sql_standard',
  standard_conforming_strings: 'off',
  bytea_output: 'escape',
  array_nulls: 'off',
  extra_float_digits: '-15',
  default_transaction_isolation: 'serializable',
  idle_in_transaction_session_timeout: '1',
  statement_timeout: `'20s'`,
  client_encoding: `'LATIN1'`,
};

const TIME = Date.UTC(2031, 4, 5, 6, 7, 8, 901);

describe('with the defaults of another database', () => {
  let database: TestDatabase;
  let pool: pg.Pool;
  beforeAll(async () => {
    database = await openDatabase();
    const name = new URL(database.url).pathname.slice(1);
    for (const [setting, value] of Object.entries(DEFAULTS)) {
      await database.pool.query(`ALTER DATABASE ${name} SET ${setting} = ${value}`);
    }
    // New connections have the new defaults.
    pool = createPool({ url: database.url, size: 4, log: database.log });
    await migrate(pool, database);
  });
  afterAll(async () => {
    await pool.end();
    await database.close();
  });

  it('another program has these defaults', async () => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(`SELECT to_timestamp(0)::text AS time`);
    await client.end();
    expect(rows).toEqual([{ time: '01.01.1970 12:45:00 +1245' }]);
  });

  it.each([
    ['DateStyle', 'ISO, MDY'],
    ['TimeZone', 'UTC'],
    ['IntervalStyle', 'postgres'],
    ['client_encoding', 'UTF8'],
    ['standard_conforming_strings', 'on'],
  ])('a connection of this program has %s %s', async (setting, value) => {
    const { rows } = await pool.query('SELECT current_setting($1) AS value', [setting]);
    expect(rows).toEqual([{ value }]);
  });

  it('a transaction stays open while this process is busy', async () => {
    const { rows } = await inTransaction(pool, (client) =>
      client.query(`SELECT current_setting('idle_in_transaction_session_timeout') AS timeout`),
    );
    expect(rows).toEqual([{ timeout: '1min' }]);
  });

  it('counters, attempts, dead letters, endpoints and progress are stored, and read as they were', async () => {
    const flush = flushOf({
      counters: { settled: 2, acknowledged: 1, processingMs: 25 },
      attempts: [attemptOf({ deliveryId: 'ö', startedAt: TIME })],
      deadLetters: [deadLetterOf({ deliveryId: 'back\\slash', at: TIME + 1 })],
      endpoints: [endpointStateOf({ since: TIME })],
      progress: { pending: 3, streamCreatedAt: TIME, ackFloor: 9 },
    });
    expect((await storeFlush(pool, flush)).result).toBe('stored');
    const [stats] = await readConsumerStats(pool, 'WEBHOOKS');
    expect(stats).toMatchObject({ settled: 2, pending: 3, avgProcessingMs: 12.5 });
    expect(Math.abs(stats!.lastActiveAt!.getTime() - Date.now())).toBeLessThan(3_600_000);
    expect(await readUnhealthyEndpoints(pool, 'WEBHOOKS', 5)).toMatchObject({
      endpoints: [{ since: new Date(TIME) }],
    });
    expect(await readRecentDeliveries(pool, 5)).toMatchObject([
      { deliveryId: 'back\\slash', status: 'dead-lettered', lastAt: new Date(TIME + 1) },
      { deliveryId: 'ö', status: 'delivered', lastAt: new Date(TIME) },
    ]);
    expect(await readProgress(pool, 'WEBHOOKS', 'webhook-workers')).toEqual({
      streamCreatedAt: TIME,
      ackFloor: 9,
    });
  });

  it('the functions of the migrations find the key of a URL with a backslash', async () => {
    const { rows } = await pool.query(
      `SELECT nats_endpoint_key('https://Example.com\\path') = nats_endpoint_key('https://example.com/') AS same`,
    );
    expect(rows).toEqual([{ same: true }]);
  });

  it('a time without end, written by another program, stops no reader', async () => {
    await pool.query(
      `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, last_active_at) VALUES ('FOREIGN', 'endless', 'infinity')`,
    );
    expect(await readConsumerStats(pool, 'FOREIGN')).toMatchObject([{ lastActiveAt: null }]);
  });
});
