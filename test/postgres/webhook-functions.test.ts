import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseSecret } from '../../src/core/endpoint/signature.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openDatabase, type TestDatabase } from './database.ts';

/** The calls that users of the extension know, in a database without the extension. */
describe('the functions on rule_webhooks', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await openDatabase();
    await migrate(database.pool, database);
  });
  afterAll(() => database.close());
  beforeEach(() => run('TRUNCATE rule_webhooks RESTART IDENTITY CASCADE'));

  const run = async (sql: string, values: unknown[] = []) => (await database.pool.query(sql, values)).rows;
  const resultOf = async (call: string) => (await run(`SELECT ${call} AS result`))[0].result;
  const register = (name = 'slack') =>
    resultOf(`rule_webhook_register('${name}', 'https://slack.test/hook')`);

  it('register an endpoint', async () => {
    const id = await resultOf(`rule_webhook_register('slack', 'https://slack.test/hook', 'put',
      '{"Authorization": "Bearer t"}', 'Alerts', 3000, 5)`);
    expect(await run('SELECT * FROM rule_webhooks')).toMatchObject([
      {
        webhook_id: id,
        webhook_name: 'slack',
        url: 'https://slack.test/hook',
        method: 'PUT',
        headers: { Authorization: 'Bearer t' },
        description: 'Alerts',
        timeout_ms: 3000,
        max_retries: 5,
        enabled: true,
        nats_enabled: false,
        publish_mode: 'queue',
      },
    ]);
  });

  it('refuse an invalid URL', async () => {
    await expect(resultOf(`rule_webhook_register('slack', 'slack.test')`)).rejects.toThrow(
      /must begin with http:\/\/ or https:\/\//,
    );
  });

  it('update the given columns, and keep the others', async () => {
    const id = await register();
    expect(await resultOf(`rule_webhook_update(${id}, p_method => 'patch', p_enabled => false)`)).toBe(true);
    expect(await run('SELECT url, method, enabled FROM rule_webhooks')).toEqual([
      { url: 'https://slack.test/hook', method: 'PATCH', enabled: false },
    ]);
    expect(await resultOf('rule_webhook_update(99)')).toBe(false);
  });

  it('delete an endpoint with its secrets', async () => {
    const id = await register();
    await resultOf(`rule_webhook_secret_set(${id}, 'signing_secret', 'whsec_aa')`);
    expect(await resultOf(`rule_webhook_delete(${id})`)).toBe(true);
    expect(await resultOf(`rule_webhook_delete(${id})`)).toBe(false);
    expect(await run('SELECT FROM rule_webhook_secrets')).toEqual([]);
  });

  it('get an endpoint by its id, or by its name if no id matches', async () => {
    const first = await register();
    const second = await register(String(first));
    expect(await resultOf(`rule_webhook_get('${first}')`)).toMatchObject({ webhook_name: 'slack' });
    expect(await resultOf(`rule_webhook_get('slack')`)).toMatchObject({ webhook_id: first });
    expect(await resultOf(`rule_webhook_get('${second}')`)).toMatchObject({ webhook_id: second });
    expect(await resultOf(`rule_webhook_get('nobody')`)).toEqual({ error: 'Webhook not found' });
  });

  it('list endpoints, with the results of their calls', async () => {
    const id = await register();
    await register('off');
    await run(`UPDATE rule_webhooks SET enabled = false WHERE webhook_name = 'off'`);
    for (const status of ['success', 'success', 'failed'])
      await run(`INSERT INTO rule_webhook_calls (webhook_id, payload, status) VALUES ($1, '{}', $2)`, [
        id,
        status,
      ]);
    expect(await run('SELECT * FROM rule_webhook_list(true)')).toMatchObject([
      { webhook_id: id, webhook_name: 'slack', total_calls: '3', success_rate: '66.67' },
    ]);
    expect(await run(`SELECT * FROM rule_webhook_list() WHERE webhook_name = 'off'`)).toMatchObject([
      { enabled: false, total_calls: '0', success_rate: '0' },
    ]);
  });

  it('set, replace, show and delete a secret', async () => {
    const id = await register();
    expect(await resultOf(`rule_webhook_secret_get(${id}, 'signing_secret')`)).toBeNull();
    for (const value of ['whsec_aa', 'whsec_bb'])
      expect(await resultOf(`rule_webhook_secret_set(${id}, 'signing_secret', '${value}')`)).toBe(true);
    expect(await resultOf(`rule_webhook_secret_get(${id}, 'signing_secret')`)).toBe('whsec_bb');
    expect(await resultOf(`rule_webhook_secret_delete(${id}, 'signing_secret')`)).toBe(true);
    expect(await resultOf(`rule_webhook_secret_delete(${id}, 'signing_secret')`)).toBe(false);
  });

  it.each([
    'hello world',
    'whsec_',
    'whsec_a',
    'whsec_ä==',
    'whsec_aa\nbb',
    'a',
  ])('refuse the signing secret %j, which cannot sign, without repeating it', async (secret) => {
    const id = await register();
    for (const name of ['signing_secret', 'signing_secret_new']) {
      const failure = await run('SELECT rule_webhook_secret_set($1, $2, $3)', [id, name, secret]).catch(
        (error) => error,
      );
      expect(failure).toMatchObject({ code: '22023', hint: expect.stringContaining('openssl') });
      expect(failure.message).toBe(`this ${name} cannot sign: a signing secret is whsec_<base64>`);
    }
    expect(parseSecret(secret)).toBeNull();
  });

  it.each([
    'whsec_aGVsbG8=',
    'aGVsbG8=',
    ' whsec_aa== ',
    'aa',
  ])('take the signing secret %j', async (secret) => {
    const id = await register();
    await run('SELECT rule_webhook_secret_set($1, $2, $3)', [id, 'signing_secret', secret]);
    expect(parseSecret(secret)).not.toBeNull();
  });

  it('take any text as a secret of another name, and an empty one, which does not sign', async () => {
    const id = await register();
    expect(await resultOf(`rule_webhook_secret_set(${id}, 'api_key', 'hello world')`)).toBe(true);
    expect(await resultOf(`rule_webhook_secret_set(${id}, 'signing_secret', '')`)).toBe(true);
  });

  it('show no secret to a role that may not read the table', async () => {
    const id = await register();
    await resultOf(`rule_webhook_secret_set(${id}, 'signing_secret', 'whsec_aa')`);
    const stranger = await database.asStranger();
    await expect(
      stranger.query(`SELECT rule_webhook_secret_get(${id}, 'signing_secret')`),
    ).rejects.toMatchObject({ code: '42501' });
  });

  it('enable and disable the NATS publishing of the extension for a webhook', async () => {
    const id = await register();
    expect(await resultOf(`rule_webhook_enable_nats(${id})`)).toBe(true);
    expect(await run('SELECT * FROM rule_nats_webhooks_list()')).toEqual([
      {
        webhook_id: id,
        webhook_name: 'slack',
        nats_subject: 'webhooks.slack',
        publish_mode: 'both',
        config_name: 'default',
        total_published: '0',
        success_rate: null,
      },
    ]);
    await resultOf(`rule_webhook_enable_nats(${id}, 'webhooks.alerts', 'nats')`);
    await run(`INSERT INTO rule_nats_publish_history (webhook_id, subject, payload, success)
      VALUES (${id}, 'webhooks.alerts', '{}', true), (${id}, 'webhooks.alerts', '{}', false)`);
    expect(await run('SELECT * FROM rule_nats_webhooks_list()')).toMatchObject([
      { nats_subject: 'webhooks.alerts', publish_mode: 'nats', total_published: '2', success_rate: '50.00' },
    ]);
    expect(await resultOf(`rule_webhook_disable_nats(${id})`)).toBe(true);
    expect(await run('SELECT nats_enabled, publish_mode FROM rule_webhooks')).toEqual([
      { nats_enabled: false, publish_mode: 'queue' },
    ]);
  });

  it.each([
    ['rule_webhook_enable_nats(99)', /there is no webhook 99/],
    [`rule_webhook_enable_nats(99, p_config_name => 'x')`, /rule_nats_config has no enabled row 'x'/],
    ['rule_webhook_disable_nats(99)', /there is no webhook 99/],
    [`rule_webhook_enqueue(99, '{}')`, /there is no webhook 99/],
  ])('name the missing row: %s', async (call, message) => {
    await expect(resultOf(call)).rejects.toThrow(message);
  });

  it('enqueue a call, unless its webhook is disabled', async () => {
    const id = await register();
    const call = await resultOf(`rule_webhook_enqueue(${id}, '{"a": 1}', 'my rule')`);
    expect(await run('SELECT * FROM rule_webhook_calls')).toMatchObject([
      { call_id: call, webhook_id: id, status: 'pending', payload: { a: 1 }, rule_name: 'my rule' },
    ]);
    await resultOf(`rule_webhook_update(${id}, p_enabled => false)`);
    await expect(resultOf(`rule_webhook_enqueue(${id}, '{}')`)).rejects.toThrow(`webhook ${id} is disabled`);
  });
});
