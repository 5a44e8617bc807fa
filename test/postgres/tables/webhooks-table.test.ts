import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseRetrySchedule } from '../../../src/core/retry/retry-schedule.ts';
import { migrate, readMigrations } from '../../../src/postgres/migrate.ts';
import { disableWebhook, noteFailing, readRetries } from '../../../src/postgres/tables/webhooks-table.ts';
import { openDatabase, type TestDatabase } from '../database.ts';
import { readWebhooks } from '../read-webhooks.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await openDatabase();
  await migrate(database.pool, database);
});
afterAll(() => database.close());
beforeEach(() => run('TRUNCATE rule_webhooks RESTART IDENTITY CASCADE'));

const run = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
const read = () => readWebhooks(database.pool);
const addRow = async (columns = '', values = '') => {
  await run(
    `INSERT INTO rule_webhooks (webhook_name, url ${columns && `, ${columns}`})
     VALUES ('slack', 'https://slack.test/hook' ${values && `, ${values}`})`,
  );
};
const only = async () => {
  const rows = await read();
  expect(rows).toHaveLength(1);
  return rows[0]!;
};

describe('an endpoint', () => {
  const DEFAULTS = {
    id: 1,
    name: 'slack',
    url: 'https://slack.test/hook',
    method: 'POST',
    headers: {},
    timeoutMs: 5000,
    maxAttempts: 4,
    retryDelayMs: 1000,
    retryMultiplier: 2,
    retrySchedule: null,
    enabled: true,
    natsSubject: null,
    paused: false,
    pausedReason: null,
    maxConcurrency: null,
    rateLimit: null,
    eventTypes: null,
    successStatuses: null,
    bodyTemplate: null,
    params: null,
    hubSignature: false,
    disabledReason: null,
    failingSince: null,
    secrets: [],
    problem: null,
  };

  it('with only a name and a URL is read with the defaults of the table', async () => {
    await addRow();
    expect(await only()).toEqual(DEFAULTS);
  });

  it('with NULL in its columns is read with the same defaults', async () => {
    await addRow(
      'method, headers, timeout_ms, retry_enabled, max_retries, retry_delay_ms, retry_backoff_multiplier, enabled, nats_enabled',
      'NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL',
    );
    expect(await only()).toEqual(DEFAULTS);
  });

  it.each([
    ['1s,1m,1h', { maxAttempts: 4, retrySchedule: [1000, 60_000, 3_600_000] }],
    [' 500ms , 1.5s ', { maxAttempts: 3, retrySchedule: [500, 1500] }],
    ['standard', { maxAttempts: 10 }],
  ])('with the retry_schedule %j has one attempt more than it has delays', async (text, expected) => {
    await addRow('retry_schedule, max_retries', `'${text}', 1`);
    expect(await only()).toMatchObject({ ...expected, problem: null });
    expect(await readRetries(database.pool, 10)).toMatchObject([{ name: 'slack', ...expected }]);
  });

  it('with a retry_schedule is tried once if it is not to be retried', async () => {
    await addRow('retry_schedule, retry_enabled', `'standard', false`);
    expect(await only()).toMatchObject({ maxAttempts: 1 });
  });

  it('with a retry_schedule that has a delay out of range is wrong', async () => {
    // A row from before migration 0023, which such a row does not stop.
    await run('ALTER TABLE rule_webhooks DROP CONSTRAINT retry_schedule_delays_are_possible');
    await addRow('retry_schedule', `'1s,90d'`);
    const migration = (await readMigrations()).find(({ name }) => name.startsWith('0023'))!;
    await run(migration.sql);
    expect(await only()).toMatchObject({
      maxAttempts: 4,
      problem: expect.stringContaining('retry_schedule: "90d" is not a delay'),
    });
  });

  it.each([
    '',
    'soon',
    '1',
    '1s,',
    '1s;2s',
    'Standard',
  ])('is refused with the retry_schedule %j', async (text) => {
    await expect(addRow('retry_schedule', `'${text}'`)).rejects.toMatchObject({
      constraint: 'retry_schedule_is_a_schedule',
    });
  });

  it.each([
    '0s',
    '8d',
    '0.4ms',
    '0.0004s',
    '1s,0.00000833m',
    '168.1h',
    '604800000.5ms',
    '007.1d',
    Array(100).fill('1s').join(),
  ])('is refused with the delay that the parser refuses: %j', async (text) => {
    expect(parseRetrySchedule(text)).toEqual(expect.any(String));
    await expect(addRow('retry_schedule', `'${text}'`)).rejects.toMatchObject({
      constraint: 'retry_schedule_delays_are_possible',
    });
  });

  it.each([
    '1ms',
    '0.5ms',
    '7d',
    '168h',
    '604800s , 10080m',
    '604800000.4ms',
    '0.0005s',
    '0.0000084m',
    '007d',
    ' standard ',
    Array(99).fill('1s').join(),
  ])('is accepted with the delay that the parser accepts: %j', async (text) => {
    expect(parseRetrySchedule(text)).toEqual(expect.any(Array));
    await addRow('retry_schedule', `'${text}'`);
    expect(await only()).toMatchObject({ problem: null });
  });

  it('is read as it is written', async () => {
    await addRow(
      `method, headers, timeout_ms, max_retries, retry_delay_ms, retry_backoff_multiplier, enabled, nats_subject,
       paused, paused_reason, max_concurrency, rate_limit, event_types, success_statuses, body_template, params,
       hub_signature, disabled_reason, failing_since`,
      `'PUT', '{"Authorization": "Bearer t", "X-Version": 2, "X-Live": true}', 60000, 10, 0, 1.5, false, 'webhooks.*',
       true, 'moves', 5, 0.5, '{user.*,order.paid}', '{409,304}', '{"payload": {{data}}}', '{"source": ["a", 1]}',
       true, 'it answered 410', '2026-01-02 03:04:05.678Z'`,
    );
    expect(await only()).toEqual({
      ...DEFAULTS,
      method: 'PUT',
      headers: { Authorization: 'Bearer t', 'X-Version': '2', 'X-Live': 'true' },
      timeoutMs: 60_000,
      maxAttempts: 11,
      retryDelayMs: 0,
      retryMultiplier: 1.5,
      enabled: false,
      natsSubject: 'webhooks.*',
      paused: true,
      pausedReason: 'moves',
      maxConcurrency: 5,
      rateLimit: 0.5,
      eventTypes: ['user.*', 'order.paid'],
      successStatuses: [409, 304],
      bodyTemplate: '{"payload": {{data}}}',
      params: '{"source": ["a", 1]}',
      hubSignature: true,
      disabledReason: 'it answered 410',
      failingSince: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
    });
  });

  it('without retries has one attempt', async () => {
    await addRow('retry_enabled, max_retries', 'false, 10');
    expect(await only()).toMatchObject({ maxAttempts: 1 });
  });

  it.each([
    ['a multiplier that is not a number', 'retry_backoff_multiplier', `'NaN'`, { retryMultiplier: 2 }],
    ['an infinite multiplier', 'retry_backoff_multiplier', `'Infinity'`, { retryMultiplier: 1000 }],
    ['a multiplier that is out of range', 'retry_backoff_multiplier', '1e400', { retryMultiplier: 1000 }],
    ['no event types', 'event_types', `'{}'`, { eventTypes: null }],
    ['event types of NULL', 'event_types', '{NULL}', { eventTypes: null }],
    [
      'a two-dimensional array of event types',
      'event_types',
      `'{{a,b},{NULL,c}}'`,
      { eventTypes: ['a', 'b', 'c'] },
    ],
    ['statuses of NULL', 'success_statuses', '{NULL,409}', { successStatuses: [409] }],
    ['a failing_since of -infinity', 'failing_since', `'-infinity'`, { failingSince: null }],
    ['a failing_since of 4000 BC', 'failing_since', `'4000-01-01 BC'`, { failingSince: null }],
  ])('with %s is usable', async (_, column, value, expected) => {
    await addRow(column, value.startsWith('{') ? `'${value}'` : value);
    expect(await only()).toMatchObject({ ...DEFAULTS, ...expected });
  });

  it.each([
    ['a list', '["secret"]'],
    ['text', '"secret"'],
    ['a value that is an object', '{"Authorization": {"Bearer": "secret"}}'],
    ['a value that is null', '{"Authorization": null}'],
    ['a number with too many digits', '{"X-Id": 12345678901234567890}'],
  ])('with headers that are %s has a problem that names the column and the cure, and shows no value', async (_, headers) => {
    await addRow('headers', `'${headers}'`);
    expect(await only()).toMatchObject({
      headers: {},
      problem: 'headers is not an object of strings, as in {"Authorization": "Bearer ..."}',
    });
  });

  it('that violates the constraints has a problem that names every column', async () => {
    const client = await database.pool.connect();
    try {
      await client.query(`BEGIN; ALTER TABLE rule_webhooks DROP CONSTRAINT rule_webhooks_method_check,
        DROP CONSTRAINT params_is_an_object, DROP CONSTRAINT rule_webhooks_timeout_ms_check;
        INSERT INTO rule_webhooks (webhook_name, url, method, params, timeout_ms)
        VALUES ('slack', 'https://slack.test', 'HEAD', '[1]', -5)`);
      const [row] = await readWebhooks({ query: client.query.bind(client) } as never);
      expect(row).toMatchObject({
        params: null,
        timeoutMs: 5000,
        problem: expect.stringMatching(/method is not one of GET.*; params is not an object/),
      });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('is read even if a restored dump lacks the columns of the worker', async () => {
    const other = await openDatabase();
    await other.pool.query(`
      CREATE TABLE rule_webhooks (webhook_id serial, webhook_name text, url text);
      CREATE TABLE rule_webhook_secrets (secret_id serial, webhook_id int, secret_name text, secret_value text, created_at timestamptz);
      INSERT INTO rule_webhooks (webhook_name, url) VALUES ('slack', 'https://slack.test/hook')`);
    expect(await readWebhooks(other.pool)).toEqual([DEFAULTS]);
    await other.close();
  });

  it('is read in the order of its id, even with 5 000 endpoints', async () => {
    await run(`INSERT INTO rule_webhooks (webhook_name, url, headers, nats_subject)
      SELECT 'hook-' || n, 'https://host-' || n || '.test/hook', '{"Authorization": "Bearer token"}', 'webhooks.hook-' || n
      FROM generate_series(1, 5000) n`);
    await run(`INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value)
      SELECT webhook_id, 'signing_secret', 'whsec_' || webhook_id FROM rule_webhooks`);
    const rows = await read();
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 5000 }, (_, index) => index + 1));
    expect(rows[4999]).toMatchObject({ name: 'hook-5000', secrets: ['whsec_5000'] });
  });
});

describe('signing secrets', () => {
  const set = (name: string, value: string, age = 0) =>
    run(
      `INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value, created_at)
       VALUES (1, $1, $2, now() - $3 * interval '1 hour')`,
      [name, value, age],
    );

  it('are named signing_secret, and in a rotation signing_secret_…, and are read newest first', async () => {
    await addRow();
    await set('signing_secret', 'whsec_old', 2);
    await set('signing_secret_2026', 'whsec_new', 1);
    await set('signing_secret_oldest', 'whsec_oldest', 3);
    await set('api_key', 'not this');
    await set('signing_secrets', 'nor this');
    await set('signing_secret_empty', '');
    expect(await only()).toMatchObject({ secrets: ['whsec_new', 'whsec_old', 'whsec_oldest'] });
  });
});

describe('disabling an endpoint', () => {
  const state = async () =>
    (await run('SELECT enabled, disabled_at, disabled_reason, failing_since FROM rule_webhooks'))[0];
  const REASON = 'it answered 410';

  it('is done by only one of several workers, with time and reason', async () => {
    await addRow();
    const done = await Promise.all(Array.from({ length: 8 }, () => disableWebhook(database.pool, 1, REASON)));
    expect(done.filter(Boolean)).toEqual([true]);
    expect(await state()).toEqual({
      enabled: false,
      disabled_at: expect.any(Date),
      disabled_reason: REASON,
      failing_since: null,
    });
    expect(await only()).toMatchObject({ enabled: false, disabledReason: REASON });
  });

  it('is not done if an operator has changed the URL meanwhile', async () => {
    await addRow();
    expect(await disableWebhook(database.pool, 1, REASON, { url: 'https://slack.test/old' })).toBe(false);
    expect(await disableWebhook(database.pool, 1, REASON, { url: 'https://slack.test/hook' })).toBe(true);
  });

  it('is not done if a webhook was delivered meanwhile', async () => {
    await addRow();
    const failingSince = Date.UTC(2026, 0, 1) + 1;
    expect(await disableWebhook(database.pool, 1, REASON, { failingSince })).toBe(false);
    await run(`UPDATE rule_webhooks SET failing_since = '2026-01-02'`);
    expect(await disableWebhook(database.pool, 1, REASON, { failingSince })).toBe(false);
    await run(`UPDATE rule_webhooks SET failing_since = '2026-01-01 00:00:00.001999Z'`);
    expect(await disableWebhook(database.pool, 1, REASON, { failingSince })).toBe(true);
  });

  it('cuts and cleans the reason as far as necessary', async () => {
    await addRow();
    await disableWebhook(database.pool, 1, `\0\ud800${'x'.repeat(100_000)}`);
    expect((await only()).disabledReason).toHaveLength(16_384);
  });

  it('is reset when the endpoint is enabled again', async () => {
    await addRow();
    await noteFailing(database.pool, 1, Date.UTC(2026, 0, 1));
    await disableWebhook(database.pool, 1, REASON);
    await run('SELECT rule_webhook_update(1, p_enabled => true)');
    expect(await state()).toEqual({
      enabled: true,
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    });
  });

  it('is not done if the row is deleted', async () => {
    expect(await disableWebhook(database.pool, 99, REASON)).toBe(false);
  });
});

describe('failing_since of an endpoint', () => {
  const SINCE = Date.UTC(2026, 0, 1, 12, 30, 0, 5);

  it('is set by the first worker that notices the failures, and cleared by the first worker that delivers', async () => {
    await addRow();
    expect(await noteFailing(database.pool, 1, SINCE)).toBe(true);
    expect(await noteFailing(database.pool, 1, SINCE + 1000)).toBe(false);
    expect((await only()).failingSince).toBe(SINCE);
    expect(await noteFailing(database.pool, 1, null)).toBe(true);
    expect(await noteFailing(database.pool, 1, null)).toBe(false);
    expect((await only()).failingSince).toBeNull();
  });

  it('is cleared by a change of the URL, and kept by any other change', async () => {
    await addRow();
    await noteFailing(database.pool, 1, SINCE);
    await run(`UPDATE rule_webhooks SET headers = '{"a": "b"}', paused = true`);
    expect((await only()).failingSince).toBe(SINCE);
    await run(`UPDATE rule_webhooks SET url = 'https://slack.test/cured'`);
    expect((await only()).failingSince).toBeNull();
  });
});

describe('a row of rule_webhooks', () => {
  it.each([
    ['max_concurrency', '0', 'max_concurrency_is_positive'],
    ['rate_limit', '0', 'rate_limit_is_positive'],
    ['rate_limit', `'NaN'`, 'rate_limit_is_positive'],
    ['rate_limit', '1e400', 'rate_limit_is_positive'],
    ['success_statuses', `'{409,1000}'`, 'success_statuses_are_statuses'],
    ['params', `'["a"]'`, 'params_is_an_object'],
  ])('is refused with %s = %s', async (column, value, constraint) => {
    await expect(addRow(column, value)).rejects.toMatchObject({ constraint });
  });
});

describe('the retry policies of rows', () => {
  const rows = async (most: number) =>
    (await readRetries(database.pool, most)).map(({ name, maxAttempts, alike }) => ({
      name,
      maxAttempts,
      alike,
    }));
  beforeEach(() =>
    run(`INSERT INTO rule_webhooks (webhook_name, url, max_retries, enabled)
         SELECT 'r' || n, 'https://r.test', CASE WHEN n IN (2, 4) THEN NULL ELSE n % 2 END, n <> 7
         FROM generate_series(1, 9) n`),
  );

  it('are read in the order of the rows, and further rows with the same policy are counted', async () => {
    expect(await rows(2)).toEqual([
      { name: 'r1', maxAttempts: 2, alike: 0 },
      { name: 'r2', maxAttempts: 4, alike: 0 },
      { name: 'r3', maxAttempts: 2, alike: 2 },
      { name: 'r4', maxAttempts: 4, alike: 0 },
      { name: 'r6', maxAttempts: 1, alike: 0 },
      { name: 'r8', maxAttempts: 1, alike: 0 },
    ]);
  });

  it('are read without the column retry_schedule, too', async () => {
    await run('ALTER TABLE rule_webhooks RENAME retry_schedule TO gone');
    expect(await rows(1)).toHaveLength(3);
    await run('ALTER TABLE rule_webhooks RENAME gone TO retry_schedule');
  });
});
