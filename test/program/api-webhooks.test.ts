import { beforeAll, describe, expect, test } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { type Api, openApiScene, request, startApi } from './api-scene.ts';
import { openScene, type Scene, startEndpoint } from './scene.ts';

let scene: Scene;
let api: Api;
let rowId: number;
beforeAll(async () => {
  ({ scene, api } = await openApiScene(
    { payments: 'http://127.0.0.1:1/', 'a b': 'http://127.0.0.1:1/' },
    { ROUTE_ALIASES: '/notifications=/webhooks/payments, /in=/webhooks' },
  ));
  [{ webhook_id: rowId }] = (await scene.query(
    `SELECT webhook_id::int FROM rule_webhooks WHERE webhook_name = 'a b'`,
  )) as [{ webhook_id: number }];
});

async function stored(seq: number) {
  const message = await scene.manager.streams.getMessage('WEBHOOKS', { seq });
  return {
    subject: message.subject,
    body: message.string(),
    header: (name: string) => message.header.get(name),
  };
}

describe('POST /webhooks', () => {
  test('stores a webhook for one row, with its parameters in headers', async () => {
    const answer = await api.post('/webhooks', {
      config_id: rowId,
      event_type: '+credit',
      event_id: 'tx_1',
      url_params: { value: 100, token: 'abc' },
      max_attempts: 3,
    });
    expect(answer.status).toBe(202);
    const { subject, body, header } = await stored(answer.json.sequence);
    expect([subject, body]).toEqual([
      `webhooks.endpoint-${rowId}`,
      '{"event_type":"+credit","event_id":"tx_1"}',
    ]);
    expect([
      header('Webhook-Endpoint-Id'),
      header('Webhook-Params'),
      header('Webhook-Max-Attempts'),
      header('X-Event-Type'),
      header('Webhook-Event-Id'),
    ]).toEqual([String(rowId), '{"value":"100","token":"abc"}', '3', '+credit', 'tx_1']);
  });

  test('the credit and the debit of one transaction are two webhooks, and each of them again is none', async () => {
    const send = (type: string) =>
      api.post('/webhooks', { endpoint: 'payments', event_type: type, event_id: 'tx_9', data: 1 });
    const [credit, debit] = [await send('+credit'), await send('-debit')];
    expect([credit.json.duplicate, debit.json.duplicate]).toEqual([false, false]);
    expect([(await send('+credit')).json, (await send('-debit')).json]).toEqual([
      { ...credit.json, duplicate: true },
      { ...debit.json, duplicate: true },
    ]);
  });

  test('the same event for another URL is another webhook', async () => {
    const send = (url: string) => api.post('/webhooks', { webhook_url: url, event_type: 'a', event_id: '1' });
    expect((await send('http://127.0.0.1:1/a')).json.duplicate).toBe(false);
    expect((await send('http://127.0.0.1:1/b')).json.duplicate).toBe(false);
  });

  test('a URL makes an envelope of the bytes as they came', async () => {
    const body =
      '{"data":{"n": 1.10,"big":12345678901234567890}, "webhook_url":"http://127.0.0.1:1/a","headers":{"X":"y"},"url_params":{"q":1.0}}';
    const answer = await api.post('/webhooks', body, { 'content-type': 'application/json' });
    expect((await stored(answer.json.sequence)).body).toBe(
      '{"webhook_url":"http://127.0.0.1:1/a","data":{"n": 1.10,"big":12345678901234567890},"headers":{"X":"y"},"params":{"q":1.0}}',
    );
  });

  test.each([
    [{}, ''],
    [{ endpoint: 'nope' }, '/endpoint'],
    [{ endpoint: 'a.b' }, '/endpoint'],
    [{ config_id: 999_999 }, '/config_id'],
    [{ endpoint: 'payments', dta: 1 }, '/dta'],
    [{ endpoint: 'payments', max_attempts: 101 }, '/max_attempts'],
    [{ endpoint: 'payments', deliver_at: 'tomorrow' }, '/deliver_at'],
    [{ endpoint: 'payments', ordering_key: 'x'.repeat(201) }, '/ordering_key'],
    [{ endpoint: 'payments', headers: { 'Content-Length': '5' } }, '/headers'],
    [{ endpoint: 'payments', url_params: { a: {} } }, '/url_params/a'],
    [{ endpoint: 'payments', event_type: 'a\r\nNats-Rollup: all' }, '/event_type'],
    [{ endpoint: 'payments', idempotency_key: 'ü' }, '/idempotency_key'],
    [{ webhook_url: 'ftp://a' }, '/webhook_url'],
  ])('%j is not valid at %j', async (body, pointer) => {
    expect((await api.post('/webhooks', body)).json).toMatchObject({
      status: 422,
      type: '/docs#invalid-webhook',
      errors: [{ pointer, detail: expect.any(String) }],
    });
  });

  test('a body that is no JSON, or of another type, is told apart', async () => {
    expect((await api.post('/webhooks', '{"a"', { 'content-type': 'application/json' })).json).toMatchObject({
      status: 400,
      detail: expect.stringContaining('byte 4'),
    });
    expect(
      (await api.post('/webhooks', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' })).json,
    ).toMatchObject({ status: 415 });
  });

  test('an alias is another path of a route', async () => {
    expect((await api.post('/notifications?a=b', { n: 1 })).json.id).toMatch(/^payments-/);
    expect((await api.post('/in', { endpoint: 'payments' })).status).toBe(202);
  });
});

describe('POST /webhooks/batch', () => {
  test('gives one result for each webhook, in order', async () => {
    const { status, json } = await api.post('/webhooks/batch', [
      { endpoint: 'payments', data: 1, idempotency_key: 'b1' },
      { endpoint: 'nope' },
      5,
      { endpoint: 'payments', data: 'x'.repeat(1_000_000) },
      { endpoint: 'payments', data: 1, idempotency_key: 'b2' },
    ]);
    expect(status).toBe(200);
    expect(json.results.map((result: { status: number }) => result.status)).toEqual([
      202, 422, 422, 413, 202,
    ]);
    expect(json.results[0]).toMatchObject({
      ok: true,
      duplicate: false,
      location: `/webhooks/payments/${json.results[0].id}`,
    });
  });

  test('a repeated batch is one of duplicates', async () => {
    const items = Array.from({ length: 1000 }, (_, n) => ({
      endpoint: 'payments',
      data: n,
      event_type: 'many',
      event_id: String(n),
    }));
    await api.post('/webhooks/batch', items);
    const { json } = await api.post('/webhooks/batch', items);
    expect(
      new Set(
        json.results.map(
          ({ status, duplicate }: { status: number; duplicate: boolean }) => `${status} ${duplicate}`,
        ),
      ),
    ).toEqual(new Set(['202 true']));
    expect((await api.post('/webhooks/batch', [...items, ...items])).json).toMatchObject({
      status: 413,
      detail: expect.stringContaining('2000'),
    });
  });

  test('lines are answered with lines', async () => {
    const answer = await api.post('/webhooks/batch', '{"endpoint":"payments"}\n{"endpoint":"nope"}\n', {
      'content-type': 'application/x-ndjson',
    });
    expect(answer.headers.get('content-type')).toMatch(/^application\/x-ndjson/);
    expect(
      answer.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).status),
    ).toEqual([202, 422]);
  });

  test('a batch that cannot be read stores nothing, and names the line', async () => {
    const answer = await api.post('/webhooks/batch', '{"endpoint":"payments"}\n{', {
      'content-type': 'application/x-ndjson',
    });
    expect(answer.json).toMatchObject({ status: 400, line: 2 });
  });

  test('of a full stream, nothing is stored: 503, and webhooks behind one of their ordering key are not tried', async () => {
    const { streams } = scene.manager;
    const batch = [
      { endpoint: 'payments' },
      { endpoint: 'payments', ordering_key: 'k' },
      { endpoint: 'payments', ordering_key: 'k' },
    ];
    await api.post('/webhooks/batch', batch);
    const configs = await Promise.all(
      ['WEBHOOKS', 'WEBHOOKS_ORDERED'].map(async (name) => (await streams.info(name)).config),
    );
    for (const config of configs) await streams.update(config.name, { ...config, max_msgs: 1 });
    const full = await api.post('/webhooks/batch', batch);
    for (const config of configs) await streams.update(config.name, config);
    expect([full.status, full.headers.get('retry-after')]).toEqual([503, '10']);
    expect(full.json.results[2]).toMatchObject({
      status: 503,
      detail: expect.stringContaining('ordering key'),
    });
  });
});

describe('with API_AUTH=keys', () => {
  test('a request needs a key with the scope for it, also while PostgreSQL is away', async () => {
    const the = await openScene();
    const keyed = await startApi(the, { API_AUTH: 'keys' });
    await the.query(
      `INSERT INTO rule_webhooks (webhook_name, url) VALUES ('payments', 'http://127.0.0.1:1/'), ('orders', 'http://127.0.0.1:1/')`,
    );
    const none = await keyed.post('/webhooks/payments', '{}');
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    expect(none.json.detail).toMatch(/keys create.*API_KEYS/s);
    const made = await runProgram(['keys', 'create', 'shop', '--scopes', 'publish:payments', '--json'], {
      env: the.env,
    });
    await made.waitForExit();
    const key = /whk_\w+/.exec(made.stdout.join('\n'))![0];
    const authorization = `Bearer ${key}`;
    expect((await keyed.post('/webhooks/payments', '{}', { authorization })).status).toBe(202);
    expect((await keyed.post('/webhooks/orders', '{}', { authorization })).json).toMatchObject({
      status: 403,
      detail: expect.stringContaining('publish:orders'),
    });
    expect(
      (await keyed.post('/webhooks', { webhook_url: 'http://127.0.0.1:1/' }, { authorization })).json,
    ).toMatchObject({ status: 403 });
    const batch = await keyed.post('/webhooks/batch', [{ endpoint: 'payments' }, { endpoint: 'orders' }], {
      authorization,
    });
    expect(batch.json.results.map((result: { status: number }) => result.status)).toEqual([202, 403]);
    await the.query(`UPDATE rule_nats_api_keys SET revoked_at = now()`);
    await until(async () => (await keyed.post('/webhooks/payments', '{}', { authorization })).status === 401);
  });
});

test('a page of another site, or another host name, is refused on both ports', async () => {
  expect((await api.post('/webhooks/payments', '{}', { origin: 'http://evil.example' })).json).toMatchObject({
    status: 403,
    type: '/docs#cross-site',
  });
  expect((await request(`${api.adminUrl}/health`)).status).toBe(200);
});

test('health names its parts, and follows NATS and PostgreSQL', async () => {
  const the = await openApiScene({});
  expect((await the.api.get('/health')).json).toMatchObject({
    status: 'ok',
    checks: { nats: { ok: true }, storage: { ok: true }, postgres: { ok: true } },
  });
  await the.scene.nats.stop();
  await until(async () => (await the.api.get('/health/ready')).status === 503);
  expect((await the.api.get('/health')).json).toMatchObject({
    status: 'failing',
    checks: { nats: { ok: false, detail: 'not connected' } },
  });
  expect((await the.api.get('/health/live')).status).toBe(200);
  await the.scene.nats.restart();
  await until(async () => (await the.api.get('/health')).status === 200);
});

test('a stream in memory is said at the start, and in /health', async () => {
  const the = await openScene();
  await the.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'], storage: 'memory' as never });
  const started = await startApi(the);
  await started.program.waitForLine(/stream\.in_memory/);
  expect((await started.get('/health')).json).toMatchObject({
    status: 'degraded',
    checks: { storage: { ok: false, detail: expect.stringContaining('memory') } },
  });
});

test('the credit of a GET postback reaches its row with its parameters, and the debit, too', async () => {
  const endpoint = await startEndpoint();
  const the = await openScene();
  const started = await startApi(the);
  await the.query(`INSERT INTO rule_webhooks (webhook_name, url, method) VALUES ('postback', $1, 'GET')`, [
    `${endpoint.url}/back`,
  ]);
  await the.startWorker();
  const send = (type: string) =>
    started.post('/webhooks', {
      event_type: type,
      event_id: 'tx_123',
      config_id: 1,
      url_params: { value: '100', token: 'abc' },
    });
  await until(async () => (await send('+credit')).status === 202);
  await send('-debit');
  await until(() => endpoint.requests.length === 2);
  expect(endpoint.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(
    Array(2).fill('GET /back?value=100&token=abc'),
  );
});
