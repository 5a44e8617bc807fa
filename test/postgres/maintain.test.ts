import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { maintain } from '../../src/postgres/maintain.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, deadLetterOf, flushOf } from './records.ts';

const DAY_MS = 86_400_000;
const NOON = Date.UTC(2030, 0, 10, 12);

describe('maintain', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterEach(() => database.close());

  const partitions = async () => {
    const { rows } = await database.pool.query(
      `SELECT right(inhrelid::regclass::text, 8) AS day FROM pg_inherits
       WHERE inhparent = 'rule_nats_delivery_attempts'::regclass ORDER BY 1`,
    );
    return rows.map((row) => row.day);
  };
  const keepAWeek = { attemptRetentionDays: 7, now: NOON };

  it("creates today's and tomorrow's partitions", async () => {
    await maintain(database.pool, keepAWeek);
    expect(await partitions()).toEqual(['20300110', '20300111']);
  });

  it('drops only partitions whose attempts are all older than the retention time', async () => {
    const attempts = [10, 8, 7, 6].map((days) => attemptOf({ startedAt: NOON - days * DAY_MS }));
    await storeFlush(database.pool, flushOf({ attempts }));
    const { partitionsDropped } = await maintain(database.pool, keepAWeek);
    expect(partitionsDropped).toEqual([
      'rule_nats_delivery_attempts_20291231',
      'rule_nats_delivery_attempts_20300102',
    ]);
    expect(await partitions()).toEqual(['20300103', '20300104', '20300110', '20300111']);
  });

  it('does not prevent storing attempts whose partition was dropped', async () => {
    const attempts = [attemptOf({ startedAt: NOON - 10 * DAY_MS })];
    await storeFlush(database.pool, flushOf({ attempts }));
    await maintain(database.pool, keepAWeek);
    expect((await storeFlush(database.pool, flushOf({ attempts }))).result).toBe('stored');
  });

  it('deletes expired dead letters of the worker, and no rows of the extension', async () => {
    await storeFlush(database.pool, flushOf({ deadLetters: [deadLetterOf()] }));
    await database.pool.query(
      `INSERT INTO rule_nats_publish_history (subject, payload, success) VALUES ('webhooks.a', '{}', false)`,
    );
    await database.pool.query(`UPDATE rule_nats_publish_history SET expires_at = now() - interval '1 hour'`);
    const { deadLettersDeleted } = await maintain(database.pool, {
      attemptRetentionDays: 7,
      now: Date.now(),
    });
    expect(deadLettersDeleted).toBe(1);
    const { rows } = await database.pool.query('SELECT triggered_by FROM rule_nats_publish_history');
    expect(rows).toEqual([{ triggered_by: null }]);
  });

  it('deletes the rows of workers that stopped long ago', async () => {
    await storeFlush(database.pool, flushOf({ active: false }));
    const in31Days = Date.now() + 31 * DAY_MS;
    const { instancesDeleted } = await maintain(database.pool, { attemptRetentionDays: 7, now: in31Days });
    expect(instancesDeleted).toBe(1);
  });

  it('can be called by several workers at once, while other workers flush', async () => {
    const attempts = [attemptOf({ startedAt: NOON - 10 * DAY_MS }), attemptOf({ startedAt: NOON })];
    const flushes = Array.from({ length: 20 }, () => storeFlush(database.pool, flushOf({ attempts })));
    const runs = Array.from({ length: 4 }, () => maintain(database.pool, keepAWeek));
    await Promise.all([...runs, ...flushes]);
    await maintain(database.pool, keepAWeek);
    expect(await partitions()).toEqual(['20300110', '20300111']);
  });
});

describe('a table that a VACUUM holds', () => {
  it('costs the partitions one second, and not the other steps of the maintenance', async () => {
    const database = await openDatabase();
    await migrate(database.pool, database);
    await storeFlush(database.pool, flushOf({ deadLetters: [deadLetterOf()] }));
    await database.pool.query(`UPDATE rule_nats_publish_history SET expires_at = now() - interval '1 hour'`);
    const other = await database.pool.connect();
    await other.query('BEGIN; LOCK TABLE rule_nats_delivery_attempts IN SHARE UPDATE EXCLUSIVE MODE');
    const maintained = maintain(database.pool, { attemptRetentionDays: 7, now: Date.now() });
    await expect(maintained).rejects.toMatchObject({ code: '55P03' });
    const { rows } = await database.pool.query('SELECT FROM rule_nats_publish_history');
    expect(rows).toEqual([]);
    await other.query('ROLLBACK');
    other.release();
    await database.close();
  });
});
