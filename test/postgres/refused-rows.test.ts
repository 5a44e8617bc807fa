import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RefusedRows } from '../../src/core/records/refusal.ts';
import type { StatisticsFlush } from '../../src/core/records/statistics.ts';
import { storedPayload } from '../../src/core/records/stored-payload.ts';
import { createPool } from '../../src/postgres/connection/pool.ts';
import { maintain } from '../../src/postgres/maintain.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { storeFlush } from '../../src/postgres/store-flush.ts';
import { readConsumerStats } from '../../src/postgres/tables/consumer-stats-table.ts';
import { openDatabase, type TestDatabase } from './database.ts';
import { attemptOf, deadLetterOf, endpointStateOf, flushOf } from './records.ts';

const ATTEMPTS = 'rule_nats_delivery_attempts';
const DEAD_LETTERS = 'rule_nats_publish_history';
const STATES = 'rule_nats_endpoint_states';

const NOON = Date.UTC(2031, 4, 5, 12);
const DAY_MS = 86_400_000;

const attempts = (count: number, isBad: (index: number) => boolean) =>
  Array.from({ length: count }, (_, index) =>
    attemptOf({ deliveryId: isBad(index) ? `bad-${index}` : `good-${index}`, startedAt: NOON }),
  );

type Pool = TestDatabase['pool'];

/** Stores a flush that does not stop, with its counters. @returns What PostgreSQL refused. */
async function storeSome(pool: Pool, parts: Partial<StatisticsFlush>): Promise<readonly RefusedRows[]> {
  const flush = flushOf({ ...parts, counters: { settled: 3 } });
  const { result, refused } = await storeFlush(pool, flush);
  expect(result).toBe('stored');
  const rowsDropped = refused.reduce((sum, { rows }) => sum + rows, 0);
  expect(await readConsumerStats(pool, 'WEBHOOKS')).toMatchObject([{ settled: 3, rowsDropped }]);
  expect((await storeFlush(pool, flush)).result).toBe('alreadyStored');
  return refused;
}

const count = async (pool: Pool, table: string) =>
  Number((await pool.query(`SELECT count(*) FROM ${table}`)).rows[0].count);

describe('a row that PostgreSQL refuses', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
    return () => database.close();
  });
  const run = (sql: string) => database.pool.query(sql);
  const raise = (table: string, when: string, timing = 'BEFORE INSERT') =>
    run(`CREATE FUNCTION user_trigger() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF ${when} THEN RAISE EXCEPTION 'not this row'; END IF; RETURN NEW; END $$;
      CREATE ${timing.startsWith('AFTER') ? 'CONSTRAINT ' : ''}TRIGGER user_trigger ${timing.replace('DEFERRED', '')} ON ${table}
      ${timing.endsWith('DEFERRED') ? 'DEFERRABLE INITIALLY DEFERRED' : ''} FOR EACH ROW EXECUTE FUNCTION user_trigger()`);

  it('by a CHECK costs this row, wherever it is in the batch', async () => {
    await run(`ALTER TABLE ${ATTEMPTS} ADD CHECK (delivery_id NOT LIKE 'bad%')`);
    const bad = new Set([0, 777, 778, 1999]);
    const refused = await storeSome(database.pool, { attempts: attempts(2000, (index) => bad.has(index)) });
    expect(refused).toMatchObject([{ table: ATTEMPTS, rows: 4, code: '23514' }]);
    expect(await count(database.pool, ATTEMPTS)).toBe(1996);
  });

  it('by a trigger costs this row, in each table', async () => {
    for (const table of [ATTEMPTS, DEAD_LETTERS]) {
      await run(`CREATE FUNCTION refuse_${table}() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF to_jsonb(NEW)::text LIKE '%bad%' THEN RAISE EXCEPTION 'not this row' USING ERRCODE = 'MY001'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION refuse_${table}()`);
    }
    await raise(STATES, `NEW.endpoint_key = 'bad'`, 'BEFORE INSERT');
    const refused = await storeSome(database.pool, {
      attempts: attempts(10, (index) => index === 3),
      deadLetters: [deadLetterOf({ deliveryId: 'bad' }), deadLetterOf()],
      endpoints: [endpointStateOf({ endpointKey: 'bad' }), endpointStateOf()],
    });
    expect(refused).toEqual([
      { table: ATTEMPTS, rows: 1, code: 'MY001', error: 'not this row' },
      { table: DEAD_LETTERS, rows: 1, code: 'MY001', error: 'not this row' },
      { table: STATES, rows: 1, code: 'P0001', error: 'not this row' },
    ]);
    expect(await count(database.pool, ATTEMPTS)).toBe(9);
  });

  it('at the COMMIT costs this row', async () => {
    await raise(DEAD_LETTERS, `NEW.message_id = 'bad'`, 'AFTER INSERT DEFERRED');
    const refused = await storeSome(database.pool, {
      deadLetters: [deadLetterOf(), deadLetterOf({ deliveryId: 'bad' }), deadLetterOf()],
    });
    expect(refused).toMatchObject([{ table: DEAD_LETTERS, rows: 1 }]);
    expect(await count(database.pool, DEAD_LETTERS)).toBe(2);
  });

  it('costs bounded work where the table refuses every row', async () => {
    await run('CREATE SEQUENCE tries');
    await raise(ATTEMPTS, `nextval('tries') > 0`);
    const refused = await storeSome(database.pool, { attempts: attempts(5000, () => false) });
    expect(refused).toMatchObject([{ table: ATTEMPTS, rows: 5000 }]);
    const { rows } = await run('SELECT last_value FROM tries');
    expect(Number(rows[0].last_value)).toBeLessThan(600);
  });

  it.each([
    ['a column that is gone', `ALTER TABLE ${ATTEMPTS} DROP COLUMN response_excerpt`, '42703'],
    [
      'a column of another type',
      `ALTER TABLE ${ATTEMPTS} ALTER response_excerpt TYPE integer USING NULL`,
      '42804',
    ],
    ['a new column without a value', `ALTER TABLE ${ATTEMPTS} ADD more text NOT NULL`, '23502'],
    ['a table that is gone', `DROP TABLE ${ATTEMPTS} CASCADE`, '42P01'],
  ])('because of %s costs the rows of this table only', async (_what, sql, code) => {
    await run(sql);
    const refused = await storeSome(database.pool, {
      attempts: attempts(20, () => false),
      deadLetters: [deadLetterOf()],
    });
    expect(refused).toMatchObject([{ table: ATTEMPTS, rows: 20, code }]);
    expect(await count(database.pool, DEAD_LETTERS)).toBe(1);
  });

  it('because its partition was detached costs the rows of this day, and maintenance says so', async () => {
    await storeFlush(database.pool, flushOf({ attempts: attempts(1, () => false), consumerName: 'x' }));
    await run(
      `DELETE FROM rule_nats_consumer_stats; ALTER TABLE ${ATTEMPTS} DETACH PARTITION ${ATTEMPTS}_20310505`,
    );
    const nextDay = attemptOf({ startedAt: NOON + DAY_MS });
    const refused = await storeSome(database.pool, { attempts: [...attempts(500, () => false), nextDay] });
    expect(refused).toMatchObject([{ table: ATTEMPTS, rows: 500, code: '23514' }]);
    expect(await count(database.pool, ATTEMPTS)).toBe(1);
    await maintain(database.pool, { attemptRetentionDays: 7, now: NOON + 20 * DAY_MS });
    expect(await count(database.pool, ATTEMPTS)).toBe(0);
    const again = maintain(database.pool, { attemptRetentionDays: 7, now: NOON });
    await expect(again).rejects.toMatchObject({ code: '42P07' });
  });

  it("is none where the operator's own partition holds its day", async () => {
    await run(
      `CREATE TABLE may PARTITION OF ${ATTEMPTS} FOR VALUES FROM ('2031-05-01 00:00+00') TO ('2031-06-01 00:00+00')`,
    );
    expect(await storeSome(database.pool, { attempts: attempts(20, () => false) })).toEqual([]);
    expect(await count(database.pool, 'may')).toBe(20);
  });

  it.each([
    ['a full disk', `RAISE EXCEPTION 'later' USING ERRCODE = '53100'`],
    ['a deadlock', `RAISE EXCEPTION 'later' USING ERRCODE = '40P01'`],
  ])('for %s is kept for a later flush', async (_what, sql) => {
    await run(`CREATE FUNCTION user_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${sql}; END $$;
      CREATE TRIGGER user_trigger BEFORE INSERT ON ${ATTEMPTS} FOR EACH ROW EXECUTE FUNCTION user_trigger()`);
    const flush = flushOf({ attempts: attempts(3, () => false) });
    await expect(storeFlush(database.pool, flush)).rejects.toThrow('later');
    await run(`DROP TRIGGER user_trigger ON ${ATTEMPTS}`);
    expect((await storeFlush(database.pool, flush)).result).toBe('stored');
    expect(await count(database.pool, ATTEMPTS)).toBe(3);
  });

  it('and its neighbours are kept where the database is read-only', async () => {
    const name = new URL(database.url).pathname.slice(1);
    await run(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    const pool = createPool({ url: database.url, size: 1, log: database.log });
    const stored = storeFlush(pool, flushOf({ attempts: attempts(3, () => false) }));
    await expect(stored).rejects.toMatchObject({ code: '25006' });
    await pool.end();
  });

  it('is no number that numeric cannot hold: the body is stored as a string', async () => {
    const numbers = [
      `0.${'1'.repeat(15_900)}e-999`,
      '1'.repeat(131_073),
      `0.${'1'.repeat(16_384)}`,
      '1e999999',
    ];
    const deadLetters = numbers.map((number) =>
      deadLetterOf({ payload: storedPayload(Buffer.from(`{"n":${number}}`), 1_000_000) }),
    );
    expect(await storeSome(database.pool, { deadLetters })).toEqual([]);
    expect(await count(database.pool, DEAD_LETTERS)).toBe(4);
  });

  it('as jsonb costs its dead letter', async () => {
    const payloads = [
      '"\\u0000"',
      `${'['.repeat(50_000)}${']'.repeat(50_000)}`,
      '1e999999',
      '{"broken":',
      '{"a":1}',
    ];
    const refused = await storeSome(database.pool, {
      deadLetters: payloads.map((payload) => deadLetterOf({ payload })),
    });
    expect(refused).toMatchObject([{ table: DEAD_LETTERS, rows: 4 }]);
    expect(await count(database.pool, DEAD_LETTERS)).toBe(1);
  });
});

describe.each([
  ['LATIN1', { text: '工', json: '{"a":"工"}' }],
  ['EUC_JP', { text: '👍', json: '{"a":"👍"}' }],
  ['SQL_ASCII', { text: null, json: '{"a":"\\u5de5"}' }],
])('in a database with the encoding %s', (encoding, bad) => {
  let database: TestDatabase;
  let pool: Pool;
  const name = `encoded_${encoding.toLowerCase()}_${process.pid}`;
  beforeAll(async () => {
    database = await openDatabase();
    await database.pool.query(`CREATE DATABASE ${name} ENCODING '${encoding}' TEMPLATE template0 LOCALE 'C'`);
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    pool = createPool({ url: url.href, size: 4, log: database.log });
    await migrate(pool, database);
  });
  afterAll(async () => {
    await pool.end();
    await database.pool.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await database.close();
  });

  it('a text that it cannot hold costs its rows, and no other', async () => {
    const errors = ['HTTP 503', bad.text ?? 'HTTP 500'];
    const refused = await storeSome(pool, {
      attempts: errors.map((error) => attemptOf({ error })),
      deadLetters: ['{"a":"plain"}', bad.json].map((payload) => deadLetterOf({ payload })),
    });
    const tables = bad.text === null ? [DEAD_LETTERS] : [ATTEMPTS, DEAD_LETTERS];
    expect(refused).toMatchObject(tables.map((table) => ({ table, rows: 1 })));
    expect(await count(pool, DEAD_LETTERS)).toBe(1);
  });
});
