import pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { storeFlush } from '../../../src/postgres/store-flush.ts';
import { outcomeOf } from '../../commands/programs.ts';
import { endpointStateOf, flushOf } from '../../postgres/records.ts';
import { createTestDatabase } from '../../support/servers.ts';

/** No server listens at these addresses. */
const AWAY = { NATS_URL: 'nats://127.0.0.1:1', DATABASE_URL: 'postgresql://postgres@127.0.0.1:1/postgres' };
let env: Record<string, string>;

beforeAll(async () => {
  const { url } = await createTestDatabase();
  env = { ...AWAY, DATABASE_URL: url };
  expect(await outcomeOf(['migrate', '--status'], env)).toMatchObject({ code: 1 });
  const { code, stdout } = await outcomeOf(['migrate'], env);
  expect(stdout).toContain('applied 0001_');
  expect(code).toBe(0);
});

describe('migrate', () => {
  test('says that there is nothing to do if every migration was applied', async () => {
    const { code, stdout } = await outcomeOf(['migrate'], env);
    expect(stdout).toBe('nothing to do: every migration was applied before');
    expect(code).toBe(0);
  });

  test('lists the applied migrations', async () => {
    const { code, stdout } = await outcomeOf(['migrate', '--status'], env);
    expect(stdout).toMatch(/^ 0001_shared_tables_create\.sql +\| applied$/m);
    expect(code).toBe(0);
  });
});

describe('migrate with a conflicting relation', () => {
  test('names the relation, and does not speak of a bug', async () => {
    const { url } = await createTestDatabase();
    const elsewhere = { ...AWAY, DATABASE_URL: url };
    await outcomeOf(['sql', 'CREATE VIEW nats_deliveries AS SELECT 1 AS a'], elsewhere);
    const { code, stderr } = await outcomeOf(['migrate'], elsewhere);
    expect(stderr).toMatch(
      /^DATABASE_URL \(.*\): relation "nats_deliveries" already exists \[42P07\]\. Correct /,
    );
    expect(code).toBe(1);
  });
});

describe('sql', () => {
  const sql = (...args: string[]) => outcomeOf(['sql', ...args], env);

  test('prints a table with its numbers to the right', async () => {
    const { code, stdout } = await sql("SELECT * FROM (VALUES (1, 'one'), (10, NULL)) AS t (n, word)");
    expect(stdout).toBe([' n  | word', '----+------', '  1 | one', ' 10 |', '(2 rows)'].join('\n'));
    expect(code).toBe(0);
  });

  test('prints JSON lines with the values as PostgreSQL writes them', async () => {
    const { stdout } = await sql('--json', 'SELECT 12345678901234567890 AS n, NULL AS nothing');
    expect(stdout).toBe('{"n":"12345678901234567890","nothing":null}');
  });

  test('names an error of PostgreSQL and its position in one line', async () => {
    const { code, stderr } = await sql('SELECT *\nFROM nowhere');
    expect(stderr).toBe(
      'ERROR: relation "nowhere" does not exist [42P01], at line 2, column 6, near "nowhere"',
    );
    expect(code).toBe(1);
  });

  test('keeps a value with a line break in one line of the table', async () => {
    expect((await sql("SELECT E'a\\nb' AS text")).stdout).toContain('a\\nb');
  });

  test('says that PostgreSQL is away', async () => {
    const { code, stderr } = await outcomeOf(['sql', 'SELECT 1'], AWAY);
    expect(stderr).toContain('DATABASE_URL (postgres@127.0.0.1:1/postgres)');
    expect(code).toBe(1);
  });

  test('exits with 2 without a query', async () => {
    expect(await sql()).toMatchObject({ code: 2 });
  });
});

describe('stats', () => {
  test('shows one row per worker, and says that NATS is away', async () => {
    await outcomeOf(
      [
        'sql',
        `INSERT INTO rule_nats_consumer_stats (stream_name, consumer_name, messages_delivered, messages_acknowledged,
           last_active_at) VALUES ('WEBHOOKS', 'worker-7', 42, 41, now())`,
      ],
      env,
    );
    const { code, stdout } = await outcomeOf(['stats'], env);
    expect(stdout).toMatch(/^ worker-7 \| yes +\| +42 \| +41 \|/m);
    expect(stdout).toContain('NATS at nats://127.0.0.1:1 cannot be reached');
    expect(code).toBe(0);
  });

  test('shows at most 20 unhealthy endpoints, and first the endpoints with the most parked messages', async () => {
    const endpoints = Array.from({ length: 25 }, (_, index) =>
      endpointStateOf({
        endpointKey: `host-${index}`,
        parked: index,
        successes: 1,
        failures: 2,
        lastError: 'HTTP 503',
      }),
    );
    const flowing = endpointStateOf({ endpointKey: 'fine', state: 'flowing', parked: 99 });
    const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 1 });
    await storeFlush(pool, flushOf({ endpoints: [...endpoints, flowing] }));
    await pool.end();
    const { code, stdout } = await outcomeOf(['stats'], env);
    expect(stdout).toMatch(
      /^ https:\/\/example\.com \| host-24 +\| failing \| +\d+ s ago \| +0 \| +24 \| +33 % \| +\| HTTP 503$/m,
    );
    expect(stdout.match(/(?<=\| )host-\d+/gm)).toEqual(
      Array.from({ length: 20 }, (_, index) => `host-${24 - index}`),
    );
    expect(stdout).toContain('and 5 more: ');
    expect(stdout).not.toMatch(/\| fine/m);
    expect(code).toBe(0);
  });

  test('says that the tables are of an older version', async () => {
    const { url } = await createTestDatabase();
    const older = { ...AWAY, DATABASE_URL: url };
    await outcomeOf(['sql', 'CREATE TABLE rule_nats_consumer_stats (stream_name text)'], older);
    const { code, stdout } = await outcomeOf(['stats'], older);
    expect(stdout).toContain('of an older version: start a worker, or run migrate');
    expect(code).toBe(1);
  });

  test('says that PostgreSQL is away', async () => {
    const { code, stdout } = await outcomeOf(['stats'], AWAY);
    expect(stdout).toContain('DATABASE_URL (postgres@127.0.0.1:1/postgres)');
    expect(code).toBe(1);
  });
});
