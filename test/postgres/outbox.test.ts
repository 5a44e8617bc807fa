import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readWithin } from '../../src/postgres/connection/read-within.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { createOutboxStore } from '../../src/postgres/outbox-store.ts';
import { readBacklog } from '../../src/postgres/tables/outbox-backlog-view.ts';
import { openDatabase, type TestDatabase } from './database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
beforeEach(() => database.pool.query('DELETE FROM rule_nats_outbox'));
afterAll(() => database.close());

const query = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const enqueue = async (values: Readonly<Record<string, unknown>>) => {
  const given = Object.entries({ name: 'orders', data: '{}', ...values });
  const named = given.map(([name], index) => `${name} => $${index + 1}`);
  const [row] = await query(
    `SELECT webhook_enqueue(${named.join(', ')}) AS id`,
    given.map(([, value]) => value),
  );
  return row.id as string;
};

describe('webhook_enqueue', () => {
  it('fills in an id, and the bucket of the ordering key', async () => {
    await enqueue({});
    await enqueue({ ordering_key: 'Kunde ä' });
    await enqueue({ ordering_key: 'Kunde ä' });
    const rows = await query(
      'SELECT message_id, bucket, retries, failed_at FROM rule_nats_outbox ORDER BY id',
    );
    expect(rows[0]).toMatchObject({
      message_id: expect.stringMatching(/^outbox-[0-9a-f-]{36}$/),
      bucket: null,
    });
    expect(rows[1].bucket).toBeGreaterThanOrEqual(0);
    expect(rows[2].bucket).toBe(rows[1].bucket);
    expect(rows[2].message_id).not.toBe(rows[1].message_id);
  });

  it('spreads ordering keys over 64 buckets', async () => {
    await query(
      `INSERT INTO rule_nats_outbox (name, data, ordering_key) SELECT 'a', '1', 'k' || n FROM generate_series(1, 2000) n`,
    );
    const [{ buckets }] = await query(
      'SELECT count(DISTINCT bucket)::int AS buckets FROM rule_nats_outbox WHERE bucket BETWEEN 0 AND 63',
    );
    expect(buckets).toBe(64);
  });

  const accepted: [string, Record<string, unknown>][] = [
    ['null as data', { data: 'null' }],
    ['a name of 255 characters', { name: 'ä'.repeat(255) }],
    ['a URL with a port, a query and placeholders', { webhook_url: 'https://a.test:8443/{id}?x={y}' }],
    ['an IPv6 host', { webhook_url: 'HTTP://[::1]/x' }],
    ['headers of strings, numbers and booleans', { headers: '{"X-A": "ü\\t", "X-B": 1.5, "X-C": true}' }],
    ['no headers', { headers: '{}' }],
    ['an ordering key of 200 bytes', { ordering_key: 'ä'.repeat(100) }],
    ['an id of 200 characters', { message_id: 'a/b_c-'.repeat(33).slice(0, 200) }],
    ['1 MB of data less the room for headers', { data: JSON.stringify('x'.repeat(1_046_526)) }],
  ];
  it.each(accepted)('accepts %s', async (_, values) => {
    await enqueue(values);
  });

  const refused: [string, Record<string, unknown>, RegExp][] = [
    ['no name', { name: null }, /name and data/],
    ['no data', { data: null }, /name and data/],
    ['an empty name', { name: '' }, /name must be/],
    ['a name of two tokens', { name: 'a.b' }, /name must be/],
    ['a wildcard', { name: '*' }, /name must be/],
    ['white space in the name', { name: 'a b' }, /name must be/],
    ['a no-break space in the name', { name: 'a\u00a0b' }, /name must be/],
    ['a line break in the name', { name: 'a\nb' }, /name must be/],
    ['a long name', { name: 'a'.repeat(256) }, /name must be/],
    ['another scheme', { webhook_url: 'ftp://a.test' }, /webhook_url must be/],
    ['no host', { webhook_url: 'https:///x' }, /webhook_url must be/],
    ['a password in the URL', { webhook_url: 'https://u:p@a.test' }, /webhook_url must be/],
    ['white space in the URL', { webhook_url: 'https://a.test/a b' }, /webhook_url must be/],
    ['an empty URL', { webhook_url: '' }, /webhook_url must be/],
    ['headers that are an array', { headers: '[]' }, /headers must be/],
    ['a header without a valid name', { headers: '{"X A": "1"}' }, /headers: 'X A' is not a name/],
    ['an empty name of a header', { headers: '{"": "1"}' }, /is not a name of a header/],
    ['a header of the connection', { headers: '{"content-Length": "1"}' }, /belongs to the connection/],
    ['a header that is null', { headers: '{"X-A": null}' }, /must be a string, number or boolean/],
    ['a header with a line break', { headers: '{"X-A": "a\\r\\nX-B: 1"}' }, /that HTTP does not allow/],
    ['a header that is not Latin-1', { headers: '{"X-A": "€"}' }, /that HTTP does not allow/],
    ['an empty id', { message_id: '' }, /message_id must be/],
    ['an id with a dot', { message_id: 'a.b' }, /message_id must be/],
    ['an id with a colon', { message_id: 'a:b' }, /message_id must be/],
    ['an id that is not ASCII', { message_id: 'ä' }, /message_id must be/],
    ['a long id', { message_id: 'a'.repeat(201) }, /message_id must be/],
    ['an empty ordering key', { ordering_key: '' }, /ordering_key must/],
    ['a long ordering key', { ordering_key: 'ä'.repeat(101) }, /ordering_key must/],
    ['a time that is no time', { deliver_at: 'infinity' }, /deliver_at must/],
    ['a time before 1970', { deliver_at: '1969-12-31' }, /deliver_at must/],
    ['more than NATS takes', { data: JSON.stringify('x'.repeat(1_046_527)) }, /1048576/],
  ];
  it.each(refused)('refuses %s, in the transaction of the writer', async (_, values, words) => {
    const error = await enqueue(values).catch((reason) => reason);
    expect(error).toMatchObject({ code: '22023' });
    expect(error.message).toMatch(words);
  });

  it('refuses the same in an INSERT, and ignores what only the relay writes', async () => {
    const insert = (name: string) =>
      query(
        `INSERT INTO rule_nats_outbox (name, data, failed_at, error, retries) VALUES ($1, '1', now(), 'x', 7)`,
        [name],
      );
    await expect(insert('a.b')).rejects.toMatchObject({ code: '22023' });
    await insert('a');
    expect(await query('SELECT failed_at, error, retries FROM rule_nats_outbox')).toEqual([
      { failed_at: null, error: null, retries: 0 },
    ]);
  });

  it('accepts larger messages where the server takes them', async () => {
    const client = await database.pool.connect();
    try {
      await client.query(`BEGIN; SET LOCAL nats_webhook_worker.max_payload = '8388608'`);
      await client.query(`SELECT webhook_enqueue('a', to_jsonb(repeat('x', 2000000)))`);
      await client.query('ROLLBACK');
    } finally {
      client.release();
    }
  });

  it('works for a role with the rights to insert, and to read ids', async () => {
    const app = await database.asStranger();
    await expect(app.query(`SELECT webhook_enqueue('a', '1')`)).rejects.toMatchObject({ code: '42501' });
    await query(`GRANT INSERT, SELECT (id) ON rule_nats_outbox TO ${database.stranger}`);
    await app.query(`SELECT webhook_enqueue('a', '1')`);
    await expect(app.query('SELECT data FROM rule_nats_outbox')).rejects.toMatchObject({ code: '42501' });
  });
});

it('webhook_outbox_retry lets only a failed row be published again', async () => {
  const id = await enqueue({});
  const retry = async () => (await query('SELECT webhook_outbox_retry($1) AS done', [id]))[0].done;
  expect(await retry()).toBe(false);
  await query(`UPDATE rule_nats_outbox SET failed_at = now(), error = 'too large'`);
  expect(await query('SELECT status, error FROM nats_outbox_events')).toEqual([
    { status: 'failed', error: 'too large' },
  ]);
  expect(await retry()).toBe(true);
  expect(await query('SELECT status, error, retries FROM nats_outbox_events')).toEqual([
    { status: 'waiting', error: null, retries: 1 },
  ]);
});

it('webhook_enqueue_lock makes the ids of a key follow the commits', async () => {
  const [one, other] = [await database.pool.connect(), await database.pool.connect()];
  try {
    await one.query(`BEGIN; SELECT webhook_enqueue_lock('k'), webhook_enqueue('a', '1')`);
    await other.query('BEGIN');
    let isLocked = false;
    const waiting = other.query(`SELECT webhook_enqueue_lock('k')`).then(() => {
      isLocked = true;
    });
    await query('SELECT pg_sleep(0.1)');
    expect(isLocked).toBe(false);
    await one.query('COMMIT');
    await waiting;
    await other.query('ROLLBACK');
  } finally {
    one.release();
    other.release();
  }
});

it('the rows of a key are read in the order of their ids, also if another key of the bucket was ahead of a late commit', async () => {
  const [early, late] = await keysOfOneBucket();
  const store = createOutboxStore({ pool: database.pool, history: 'off', onUnconfirmed() {} });
  /** Publishes the due rows, as a look that knows the rows up to `id` does, and returns their ids. */
  const lookAfter = async (id: number): Promise<number[]> => {
    const afterIds = new Array<number>(64).fill(id);
    const settled = await store.settleOrdered({ most: 100, afterIds }, async (rows) =>
      rows.map(() => ({ kind: 'published', subject: 'x', sequence: 1, duplicate: false, latencyMs: 1 })),
    );
    return settled.map(({ row }) => row.id);
  };
  const slow = await database.pool.connect();
  try {
    await slow.query('BEGIN');
    const first = await slow.query(`SELECT webhook_enqueue('a', '1', ordering_key => $1)::int AS id`, [late]);
    const ahead = Number(await enqueue({ ordering_key: early }));
    expect(await lookAfter(0)).toEqual([ahead]);
    await slow.query('COMMIT');
    const second = Number(await enqueue({ ordering_key: late }));
    expect(await lookAfter(ahead)).toEqual([first.rows[0].id, second]);
  } finally {
    slow.release();
  }
});

async function keysOfOneBucket(): Promise<[string, string]> {
  const [{ keys }] = await query(
    `SELECT (array_agg(key))[1:2] AS keys FROM (SELECT 'k' || n AS key FROM generate_series(1, 200) n) keys
     GROUP BY get_byte(sha256(convert_to(key, 'UTF8')), 0) & 63 HAVING count(*) > 1 LIMIT 1`,
  );
  return keys;
}

it('nats_outbox_events shows the newest first, and reads few rows for a LIMIT', async () => {
  await query(`
    INSERT INTO rule_nats_publish_history (subject, payload, success, triggered_by, published_at, message_id)
    SELECT 'webhooks.a', jsonb_build_object('outbox_id', n, 'name', 'a'), true, 'outbox', now() - n * interval '1 second', 'm' || n
    FROM generate_series(1, 5000) n;
    ANALYZE rule_nats_publish_history`);
  await enqueue({ name: 'new' });
  const rows = await query('SELECT name, status FROM nats_outbox_events LIMIT 2');
  expect(rows).toEqual([
    { name: 'new', status: 'waiting' },
    { name: 'a', status: 'published' },
  ]);
  const plan = await query('EXPLAIN SELECT * FROM nats_outbox_events LIMIT 2');
  expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('nats_publish_history_outbox');
});

describe('nats_outbox_backlog', () => {
  const backlog = async () => (await query('SELECT * FROM nats_outbox_backlog'))[0];

  it('is empty where nothing waits', async () => {
    expect(await backlog()).toEqual({ waiting: 0, failed: 0, oldest_enqueued_at: null, oldest_age_ms: null });
  });

  it('has the oldest row that waits, with or without an ordering key', async () => {
    const [first, ordered] = [await enqueue({}), await enqueue({ ordering_key: 'customer 17' })];
    await enqueue({ ordering_key: 'customer 18' });
    const age = async (id: string, seconds: number) =>
      query(`UPDATE rule_nats_outbox SET created_at = now() - $2 * interval '1 second' WHERE id = $1`, [
        id,
        seconds,
      ]);
    await age(ordered, 120);
    const oldest = await backlog();
    expect(oldest).toMatchObject({ waiting: 3, failed: 0 });
    expect(Number(oldest.oldest_age_ms)).toBeGreaterThanOrEqual(120_000);
    await age(first, 300);
    const older = await readBacklog(database.pool);
    expect(older.oldestAgeMs).toBeGreaterThanOrEqual(300_000);
    expect(older.oldestAgeMs).toBeLessThan(400_000);
    await query(`UPDATE rule_nats_outbox SET failed_at = now(), error = 'refused' WHERE id = $1`, [first]);
    const refused = await readBacklog(database.pool);
    expect(refused).toMatchObject({ waiting: 2, failed: 1 });
    expect(refused.oldestAgeMs).toBeLessThan(300_000);
  });

  it('finds the oldest by the indexes, and counts at most 100,000', async () => {
    await query(
      `INSERT INTO rule_nats_outbox (name, data) SELECT 'orders', '1' FROM generate_series(1, 100001)`,
    );
    await query('ANALYZE rule_nats_outbox');
    expect(await readBacklog(database.pool)).toMatchObject({ waiting: 100_000 });
    const plan = (await query('EXPLAIN SELECT oldest_age_ms FROM nats_outbox_backlog')).map(
      (row) => row['QUERY PLAN'],
    );
    expect(plan.join('\n')).toMatch(/Index (Only )?Scan using rule_nats_outbox_unordered/);
  });
});

describe('a reading within a time', () => {
  it('ends when PostgreSQL takes longer, and leaves the connection usable', async () => {
    const slow = readWithin(database.pool, 100, (client) => client.query('SELECT pg_sleep(30)'));
    expect(await slow).toBe('tooSlow');
    const rows = await readWithin(
      database.pool,
      1000,
      async (client) => (await client.query('SELECT 1 AS one')).rows,
    );
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('other errors stay errors', async () => {
    const wrong = readWithin(database.pool, 1000, (client) => client.query('SELECT FROM nothing'));
    await expect(wrong).rejects.toMatchObject({ code: '42P01' });
  });
});
