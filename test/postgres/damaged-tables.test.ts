import { beforeEach, describe, expect, it } from 'vitest';
import type { StatisticsFlush } from '../../src/core/records/statistics.ts';
import { StatisticsBuffer } from '../../src/delivery/statistics/statistics-buffer.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { readConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';
import { readEndpointLimits } from '../../src/postgres/tables/endpoints-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, deadLetterOf, endpointStateOf, flushOf } from './records.ts';

const ATTEMPTS = 'rule_nats_delivery_attempts';
const DEAD_LETTERS = 'rule_nats_publish_history';
const STATES = 'rule_nats_endpoint_states';
const INSTANCES = 'rule_nats_worker_instances';
const CONSUMERS = 'rule_nats_consumer_stats';
const PROGRESS = 'rule_nats_group_progress';
const RULES = 'rule_nats_endpoints';

const GROUP = { streamName: 'WEBHOOKS', queueGroup: 'webhook-workers' };
const progress = { pending: 7, streamCreatedAt: 1_700_000_000_000, ackFloor: 5 };

let database: TestDatabase;
beforeEach(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
  return () => database.close();
});
const run = async (sql: string) => (await database.pool.query(sql)).rows;
const count = async (table: string) => Number((await run(`SELECT count(*) FROM ${table}`))[0].count);

/** A trigger that raises `code` for every row. */
const raising = (table: string, code = 'P0001') =>
  `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN RAISE EXCEPTION 'not this row' USING ERRCODE = '${code}'; END $$;
   CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse()`;

const full = (parts: Partial<StatisticsFlush> = {}) =>
  flushOf({
    attempts: [attemptOf(), attemptOf()],
    deadLetters: [deadLetterOf()],
    endpoints: [endpointStateOf()],
    progress,
    ...parts,
    counters: { settled: 3 },
  });

const STORED = { [ATTEMPTS]: 2, [DEAD_LETTERS]: 1, [STATES]: 1, [PROGRESS]: 1, [CONSUMERS]: 1 };
async function stored() {
  const counts = await Promise.all(Object.keys(STORED).map(async (table) => [table, await count(table)]));
  return Object.fromEntries(counts) as typeof STORED;
}

describe('the row of the instance', () => {
  it.each([
    ['without a column of a later version', `ALTER TABLE ${INSTANCES} DROP COLUMN settings`],
    ['with a renamed column', `ALTER TABLE ${INSTANCES} RENAME COLUMN features TO abilities`],
    ['with a column of another type', `ALTER TABLE ${INSTANCES} ALTER version TYPE integer USING NULL`],
    ['without the group', `ALTER TABLE ${INSTANCES} DROP COLUMN queue_group`],
    ['without the number of the flush', `ALTER TABLE ${INSTANCES} DROP COLUMN last_number CASCADE`],
    ['without its key', `ALTER TABLE ${INSTANCES} DROP COLUMN instance_id CASCADE`],
    ['with a CHECK', `ALTER TABLE ${INSTANCES} ADD CHECK (stream_name = 'other')`],
    ['with a trigger that raises', raising(INSTANCES)],
    ['with a missing table', `DROP TABLE ${INSTANCES} CASCADE`],
  ])('%s costs neither counters nor rows, and nothing is counted twice', async (_what, sql) => {
    await run(sql);
    const flush = full();
    const report = await storeFlush(database.pool, flush);
    expect(report).toMatchObject({ result: 'stored', areCountersStored: true, missingRight: null });
    expect(report.refused.some(({ table }) => table === INSTANCES)).toBe(true);
    expect(report.refused.every(({ rows }) => rows === 0)).toBe(true);
    expect(await stored()).toEqual(STORED);
    expect((await storeFlush(database.pool, flush)).result).toBe('alreadyStored');
    expect(await readConsumerStats(database.pool, 'WEBHOOKS')).toMatchObject([
      { settled: 3, rowsDropped: 0 },
    ]);
  });

  it('is written without the columns that it lacks, so that the workers still count each other', async () => {
    await run(`ALTER TABLE ${INSTANCES} DROP COLUMN settings, DROP COLUMN queue_group`);
    await run(`INSERT INTO ${RULES} (endpoint_key, paused) VALUES ('a', true)`);
    for (const consumerName of ['one', 'two']) await storeFlush(database.pool, flushOf({ consumerName }));
    await storeFlush(database.pool, flushOf({ consumerName: 'stopped', active: false }));
    await storeFlush(database.pool, flushOf({ consumerName: 'elsewhere', streamName: 'OTHER' }));
    const { byOperator, instances, problem } = await readEndpointLimits(database.pool, GROUP);
    expect(instances?.map(({ name }) => name).sort()).toEqual(['one', 'two']);
    expect(byOperator?.get('a')).toMatchObject({ paused: true });
    expect(problem).toContain('does not exist');
  });
});

describe('the counters', () => {
  it.each([
    ['that lack a column', `ALTER TABLE ${CONSUMERS} DROP COLUMN http_attempts CASCADE`],
    ['that a CHECK refuses', `ALTER TABLE ${CONSUMERS} ADD CHECK (messages_delivered < 3)`],
    ['that a trigger refuses', raising(CONSUMERS)],
    ['in a column that is too small', `ALTER TABLE ${CONSUMERS} ALTER queue_group TYPE varchar(3)`],
    ['without their table', `DROP TABLE ${CONSUMERS} CASCADE`],
    ['without a right', raising(CONSUMERS, '42501')],
  ])('%s cost no row of another table, and stay for a later flush', async (_what, sql) => {
    await run(sql);
    const report = await storeFlush(database.pool, full());
    expect(report).toMatchObject({ result: 'stored', areCountersStored: false });
    expect(await count(ATTEMPTS)).toBe(2);
    expect(await count(DEAD_LETTERS)).toBe(1);
    expect(await count(PROGRESS)).toBe(1);
  });

  it('of all flushes are stored once their table takes them again', async () => {
    await run(raising(CONSUMERS));
    const refused: string[] = [];
    const buffer = new StatisticsBuffer(
      { ...flushOf(), maxRows: 100, maxBytes: 100_000, endpoints: () => [] },
      { store: (flush) => storeFlush(database.pool, flush) },
      (rows) => refused.push(...rows.map(({ table }) => table)),
    );
    for (let n = 0; n < 3; n++) {
      buffer.add(full().counters, attemptOf(), null);
      await buffer.flush(progress, true);
    }
    expect([buffer.rows, buffer.total.settled, await count(ATTEMPTS)]).toEqual([0, 9, 3]);
    await run(`DROP TRIGGER refuse ON ${CONSUMERS}`);
    await buffer.flush(progress, true);
    expect(await readConsumerStats(database.pool, 'WEBHOOKS')).toMatchObject([{ settled: 9, pending: 7 }]);
    expect(refused).toContain(CONSUMERS);
    expect(buffer.total.settled).toBe(9);
  });
});

describe('the right on a table', () => {
  it.each([
    ATTEMPTS,
    DEAD_LETTERS,
    STATES,
  ])('%s is missing: its rows wait, and all others are stored', async (table) => {
    await run(raising(table, '42501'));
    const buffer = new StatisticsBuffer(
      { ...flushOf(), maxRows: 100, maxBytes: 100_000, endpoints: () => [endpointStateOf()] },
      { store: (flush) => storeFlush(database.pool, flush) },
    );
    for (let n = 0; n < 2; n++) {
      buffer.add(full().counters, attemptOf(), deadLetterOf());
      await expect(buffer.flush(progress, true)).rejects.toThrow('not this row');
    }
    const others = { [ATTEMPTS]: 2, [DEAD_LETTERS]: 2, [STATES]: 1, [PROGRESS]: 1, [CONSUMERS]: 1 };
    expect(await stored()).toEqual({ ...others, [table]: 0 });
    expect(await readConsumerStats(database.pool, 'WEBHOOKS')).toMatchObject([
      { settled: 6, rowsDropped: 0 },
    ]);
    await run(`DROP TRIGGER refuse ON ${table}`);
    await buffer.flush(progress, true);
    expect(await stored()).toEqual(others);
    expect(buffer.rows).toBe(0);
  });

  it('to add a partition is missing: the rows of that day wait', async () => {
    const stranger = await database.asStranger();
    await run(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${database.stranger};
      GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${database.stranger};
      REVOKE EXECUTE ON FUNCTION ${ATTEMPTS}_add_day FROM PUBLIC`);
    const report = await storeFlush(stranger, full());
    expect(report).toMatchObject({ areCountersStored: true, refused: [], waiting: { attempts: [{}, {}] } });
    expect(report.missingRight).toContain('permission denied');
    expect(await count(DEAD_LETTERS)).toBe(1);
  });
});

it('a database without our tables keeps the flush whole', async () => {
  await run('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  await expect(storeFlush(database.pool, full())).rejects.toMatchObject({ code: '42P01' });
});

describe('the limits are read', () => {
  const read = () => readEndpointLimits(database.pool, GROUP);
  beforeEach(async () => {
    await run(`INSERT INTO ${RULES} (endpoint_key, paused, paused_reason, max_concurrency, rate_limit)
      VALUES ('a', true, 'moves', NULL, NULL), ('b', false, NULL, 5, 0.5)`);
    await storeFlush(database.pool, flushOf());
  });

  it.each([
    ['without a column of the cap', `ALTER TABLE ${RULES} DROP COLUMN max_concurrency`, [true, null, 0.5, 1]],
    [
      'with a rate as text',
      `ALTER TABLE ${RULES} DROP CONSTRAINT rate_limit_is_positive, ALTER rate_limit TYPE text`,
      [true, 5, 0.5, 1],
    ],
    [
      'with a pause as text',
      `ALTER TABLE ${RULES} ALTER paused DROP DEFAULT, ALTER paused TYPE text`,
      [true, 5, 0.5, 1],
    ],
    [
      'with instances that lack their group',
      `ALTER TABLE ${INSTANCES} DROP COLUMN queue_group`,
      [true, 5, 0.5, 1],
    ],
    [
      'with instances that lack a time',
      `ALTER TABLE ${INSTANCES} DROP COLUMN last_active_at CASCADE`,
      [true, 5, 0.5, 1],
    ],
    ['without instances', `DROP TABLE ${INSTANCES} CASCADE`, [true, 5, 0.5, undefined]],
    ['without pauses', `ALTER TABLE ${RULES} DROP COLUMN paused`, [undefined, undefined, undefined, 1]],
    ['without rules', `DROP TABLE ${RULES}`, [undefined, undefined, undefined, 1]],
  ])('%s', async (_what, sql, expected) => {
    await run(sql);
    const { byOperator, instances, problem } = await read();
    const b = byOperator?.get('b');
    expect([byOperator?.get('a')?.paused, b?.maxConcurrency, b?.rateLimit, instances?.length]).toEqual(
      expected,
    );
    expect(problem).not.toBeNull();
  });
});
