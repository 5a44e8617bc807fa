import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { type Api, openApiScene, request, startApi } from './api-scene.ts';
import { openScene, type Scene, startEndpoint } from './scene.ts';

let scene: Scene;
let api: Api;
beforeAll(async () => {
  ({ scene, api } = await openApiScene({ payments: 'http://127.0.0.1:1/payments' }));
});
afterAll(() => api.program.kill());

/** The newest message of the stream. */
async function stored() {
  const message = await scene.manager.streams.getMessage('WEBHOOKS', { last_by_subj: 'webhooks.payments' });
  const headers = Object.fromEntries([...message.header].map(([name, values]) => [name, values[0]]));
  return { body: message.string(), seq: message.seq, headers };
}

describe('POST /webhooks/{name}', () => {
  test('stores the body byte for byte, and answers 202 with its id and place', async () => {
    const body = '{"amount": 12345678901234567890.10,  "é":1}';
    const answer = await api.post('/webhooks/payments', body, {
      'content-type': 'application/vnd.x+json',
      'x-event-type': 'payment.completed',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    });
    const found = await stored();
    expect(answer.status).toBe(202);
    expect(answer.json).toEqual({
      ok: true,
      id: found.headers['Webhook-Delivery-Id'],
      stream: 'WEBHOOKS',
      sequence: found.seq,
      duplicate: false,
    });
    expect(answer.headers.get('location')).toBe(`/webhooks/payments/${answer.json.id}`);
    expect(found.body).toBe(body);
    expect(found.headers).toEqual({
      'Nats-Msg-Id': `api-${answer.json.id}`,
      'Webhook-Delivery-Id': answer.json.id,
      'Webhook-Payload': 'bare',
      'Content-Type': 'application/vnd.x+json',
      'X-Event-Type': 'payment.completed',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    });
  });

  test('leaves out a trace context that is not valid, and takes the webhook', async () => {
    const traceparent = '00-00000000000000000000000000000000-00f067aa0ba902b7-01';
    const answer = await api.post('/webhooks/payments', '1', { traceparent, tracestate: 'a=1' });
    expect(answer.status).toBe(202);
    expect(Object.keys((await stored()).headers)).not.toContain('traceparent');
    expect(Object.keys((await stored()).headers)).not.toContain('tracestate');
  });

  test('takes bytes that are no JSON, and no body at all', async () => {
    const bytes = Uint8Array.from([0, 255, 128, 10]);
    expect((await api.post('/webhooks/payments', bytes)).status).toBe(202);
    const message = await scene.manager.streams.getMessage('WEBHOOKS', { last_by_subj: 'webhooks.payments' });
    expect([...message.data]).toEqual([...bytes]);
    expect((await request(`${api.url}/webhooks/payments`, { method: 'POST' })).status).toBe(202);
  });

  test('passes on no header that would steer NATS or a worker', async () => {
    const answer = await api.post('/webhooks/payments', '{}', {
      'nats-msg-id': 'mine',
      'nats-rollup': 'all',
      'webhook-endpoint-id': '1',
      'webhook-payload': 'envelope',
      'webhook-delivery-id': 'mine',
    });
    expect(Object.keys((await stored()).headers).sort()).toEqual([
      'Content-Type',
      'Nats-Msg-Id',
      'Webhook-Delivery-Id',
      'Webhook-Payload',
    ]);
    expect((await stored()).headers['Webhook-Delivery-Id']).toBe(answer.json.id);
  });

  test('stores one webhook for one Idempotency-Key, and refuses another body under it', async () => {
    const send = (key: string, body: string) =>
      api.post('/webhooks/payments', body, { 'idempotency-key': key });
    const first = await send('tx_1', '{"n":1}');
    expect((await send('"tx_1"', '{"n":1}')).json).toEqual({ ...first.json, duplicate: true });
    expect((await send('tx_1', '{"n":2}')).json).toMatchObject({
      status: 422,
      type: '/docs#idempotency-key-reused',
    });
    expect((await send('tx_2', '{"n":1}')).json).toMatchObject({ ok: true, duplicate: false });
    for (const wrong of ['a b', '', '""', 'x'.repeat(256)])
      expect((await send(wrong, '{}')).json).toMatchObject({ status: 400, type: '/docs#bad-header' });
  });

  test('a webhook without a key is stored only once when it is repeated under its id', async () => {
    const first = await api.post('/webhooks/payments', '{"n":1}');
    const again = await api.post('/webhooks/payments', '{"n":1}', { 'idempotency-key': first.json.id });
    expect(again.json).toEqual({ ...first.json, duplicate: true });
  });

  test.each([
    ['unknown', 404, '/docs#unknown-name', /INSERT INTO rule_webhooks .* VALUES \('unknown'/],
    ["o'brien", 404, '/docs#unknown-name', /VALUES \('o''brien'/],
    ['a.b', 404, '/docs#no-name', /no dot/],
    ['a%2Fb', 404, '/docs#no-name', /"\/"/],
    ['a%20b', 404, '/docs#no-name', /white space/],
    ['%3E', 404, '/docs#no-name', /NATS subject/],
    ['stats', 404, '/docs#no-name', /path of this API/],
    ['%zz', 400, '/docs#bad-request', /hexadecimal/],
    ['x'.repeat(3000), 404, '/docs#not-found', /too long/],
  ])('to the name %s answers %i', async (name, status, type, detail) => {
    const answer = await api.post(`/webhooks/${name}`, '{}');
    expect(answer.json).toMatchObject({
      status,
      type,
      detail: expect.stringMatching(detail),
      instance: expect.any(String),
    });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      status,
      expect.stringMatching(/^application\/problem\+json/),
    ]);
  });

  test('an endpoint that was added a moment ago is known', async () => {
    await scene.query(
      `INSERT INTO rule_webhooks (webhook_name, url) VALUES ('fresh', 'http://127.0.0.1:1/')`,
    );
    expect((await api.post('/webhooks/fresh', '{}')).status).toBe(202);
  });

  test('an endpoint is known by its nats_subject, too', async () => {
    await scene.query(
      `INSERT INTO rule_webhooks (webhook_name, url, nats_subject) VALUES ('by subject', 'http://127.0.0.1:1/', 'webhooks.other')`,
    );
    await scene.query(
      `INSERT INTO rule_webhooks (webhook_name, url, nats_subject) VALUES ('shipping', 'http://127.0.0.1:1/', 'webhooks.shipped')`,
    );
    expect((await api.post('/webhooks/shipped', '{}')).status).toBe(202);
  });

  test('a body that is too large is refused with 413, also in chunks, and compressed', async () => {
    const tooLarge = { status: 413, type: '/docs#too-large' };
    const large = Buffer.alloc(1_000_001, 'a');
    expect((await api.post('/webhooks/payments', large)).json).toMatchObject(tooLarge);
    const chunked = new ReadableStream({
      start(controller) {
        controller.enqueue(large);
        controller.close();
      },
    });
    const inChunks = await request(`${api.url}/webhooks/payments`, {
      method: 'POST',
      body: chunked,
      duplex: 'half',
    } as RequestInit);
    expect(inChunks.json).toMatchObject(tooLarge);
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect((await api.post('/webhooks/payments', bomb, { 'content-encoding': 'gzip' })).json).toMatchObject(
      tooLarge,
    );
  });

  test('a compressed body is stored as it was before', async () => {
    expect(
      (await api.post('/webhooks/payments', gzipSync('{"n":7}'), { 'content-encoding': 'gzip' })).status,
    ).toBe(202);
    expect((await stored()).body).toBe('{"n":7}');
    expect(
      (await api.post('/webhooks/payments', '{"n":7}', { 'content-encoding': 'gzip' })).json,
    ).toMatchObject({ status: 400, type: '/docs#unreadable-body' });
    for (const unknown of ['zip', 'constructor', '__proto__']) {
      const answer = await api.post('/webhooks/payments', 'x', { 'content-encoding': unknown });
      expect(answer.json).toMatchObject({ status: 415 });
    }
  });

  test('another method is refused with the methods that the path takes', async () => {
    const answer = await request(`${api.url}/webhooks/payments`, { method: 'PUT', body: '{}' });
    expect([answer.status, answer.headers.get('allow'), answer.json.type]).toEqual([
      405,
      'POST',
      '/docs#method-not-allowed',
    ]);
  });

  test('a header that is not valid is named', async () => {
    const send = (headers: Record<string, string>) => api.post('/webhooks/payments', '{}', headers);
    for (const [name, value] of [
      ['X-Event-Type', 'a\tb'],
      ['Ordering-Key', 'k'.repeat(201)],
    ] as const)
      expect((await send({ [name]: value })).json).toMatchObject({
        status: 400,
        type: '/docs#bad-header',
        detail: expect.stringContaining(`${name}: `),
      });
  });

  test('webhooks with one Ordering-Key go to one subject, with their name', async () => {
    expect(
      (await api.post('/webhooks/payments', '{}', { 'ordering-key': 'customer-17' })).json,
    ).toMatchObject({ stream: 'WEBHOOKS_ORDERED' });
    const { header } = await scene.manager.streams.getMessage('WEBHOOKS_ORDERED', {
      last_by_subj: 'webhooks.ordered.customer-17',
    });
    expect(header.get('Webhook-Name')).toBe('payments');
  });

  test('a body with a webhook_url waits until it is known that every worker takes it for data', async () => {
    const body = { webhook_url: 'http://127.0.0.1:1/stolen' };
    expect((await api.post('/webhooks/payments', body)).json).toMatchObject({ ok: true });
    await scene.query(
      `INSERT INTO rule_nats_worker_instances (instance_id, stream_name, consumer_name, queue_group, last_number, silent_after_ms, active, features)
       VALUES (gen_random_uuid(), 'WEBHOOKS', 'old-worker', 'webhook-workers', 1, 60000, true, '{}')`,
    );
    await until(async () => (await api.post('/webhooks/payments', body)).status === 503);
    expect((await api.post('/webhooks/payments', body)).json).toMatchObject({
      type: '/docs#old-workers',
      detail: expect.stringContaining('old-worker'),
    });
    expect((await api.post('/webhooks/payments', { url: 1 })).status).toBe(202);
    await scene.query('DELETE FROM rule_nats_worker_instances');
    await until(async () => (await api.post('/webhooks/payments', body)).status === 202);
  });

  test('bytes that are no HTTP get a problem, and the next connection works', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write('NONSENSE\r\n\r\n');
    const [data] = await once(socket, 'data');
    expect(String(data)).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json/s);
    socket.destroy();
    expect((await api.post('/webhooks/payments', '{}')).status).toBe(202);
  });
});

test('a webhook that was taken in is delivered once, with its id, and nothing else is', async () => {
  const endpoint = await startEndpoint();
  const the = await openApiScene({ payments: `${endpoint.url}/hook` });
  const first = await the.api.post('/webhooks/payments', '{"n":1}', { 'idempotency-key': 'tx_1' });
  await the.api.post('/webhooks/payments', '{"n":1}', { 'idempotency-key': 'tx_1' });
  const url = `${endpoint.url}/stolen`;
  await the.scene.startWorker();
  await until(async () => (await the.api.post('/webhooks/payments', { webhook_url: url })).status === 202);
  await until(() => endpoint.requests.length === 2);
  expect(endpoint.requests.map(({ path }) => path)).toEqual(['/hook', '/hook']);
  expect(endpoint.requests.map(({ webhookId }) => webhookId)).toContain(first.json.id);
});

test('while nats-server is away, the answer is 503 at once, and 202 when it is back', async () => {
  const the = await openApiScene({ payments: 'http://127.0.0.1:1/' });
  await until(async () => (await the.api.post('/webhooks/payments', '{}')).status === 202);
  await the.scene.nats.stop();
  const away = await until(async () => {
    const answer = await the.api.post('/webhooks/payments', '{}');
    return answer.status === 503 && answer;
  });
  expect([away.json.type, away.headers.get('retry-after')]).toEqual(['/docs#nats-away', '1']);
  await the.scene.nats.restart();
  await until(async () => (await the.api.post('/webhooks/payments', '{}')).status === 202);
});

test('a 504 names the id under which the webhook is stored only once', async () => {
  const the = await openApiScene({ payments: 'http://127.0.0.1:1/' }, { CONFIRM_TIMEOUT_MS: '300' });
  await until(async () => (await the.api.post('/webhooks/payments', '{}')).status === 202);
  process.kill(the.scene.nats.pid, 'SIGSTOP');
  const late = await the.api.post('/webhooks/payments', '{"late":1}');
  expect(late.json).toMatchObject({
    status: 504,
    type: '/docs#not-confirmed',
    detail: expect.stringContaining(late.json.id),
  });
  process.kill(the.scene.nats.pid, 'SIGCONT');
  const again = await until(async () => {
    const answer = await the.api.post('/webhooks/payments', '{"late":1}', {
      'idempotency-key': late.json.id,
    });
    return answer.status === 202 && answer;
  });
  expect(again.json).toMatchObject({ id: late.json.id, duplicate: true });
});

test('a full stream refuses with 503 and a longer Retry-After', async () => {
  const the = await openApiScene({ payments: 'http://127.0.0.1:1/' });
  await until(async () => (await the.api.post('/webhooks/payments', '{}')).status === 202);
  const { config } = await the.scene.manager.streams.info('WEBHOOKS');
  await the.scene.manager.streams.update('WEBHOOKS', { ...config, max_msgs: 1 });
  const full = await the.api.post('/webhooks/payments', '{}');
  expect([full.status, full.json.type, full.headers.get('retry-after')]).toEqual([
    503,
    '/docs#stream-full',
    '10',
  ]);
});

test('while PostgreSQL is away, webhooks of every name are taken in', async () => {
  const the = await openScene({ databaseUrl: `postgresql://127.0.0.1:${await freePort()}/none` }).catch(
    () => null,
  );
  const { url } = the!.nats;
  const away = await startApi({ env: { NATS_URL: url, DATABASE_URL: 'postgresql://127.0.0.1:1/none' } });
  expect((await away.post('/webhooks/anything', '{}')).status).toBe(202);
});

test('at SIGTERM, requests under way are answered, and no other is taken', async () => {
  const the = await openApiScene({ payments: 'http://127.0.0.1:1/' });
  await until(async () => (await the.api.post('/webhooks/payments', '{}')).status === 202);
  process.kill(the.scene.nats.pid, 'SIGSTOP');
  const underWay = the.api.post('/webhooks/payments', '{"last":1}');
  await until(async () => (await the.api.post('/webhooks/payments', Buffer.alloc(2_000_000))).status === 413);
  the.api.program.kill();
  await the.api.program.waitForLine(/api\.draining/);
  process.kill(the.scene.nats.pid, 'SIGCONT');
  expect((await underWay).status).toBe(202);
  expect(await the.api.program.waitForExit()).toEqual({ code: 0, signal: null });
  await expect(the.api.post('/webhooks/payments', '{}')).rejects.toThrow();
});

test('a port in use is an error with the cure', async () => {
  const { port } = new URL(api.url);
  const second = await runProgram(['api'], {
    env: { ...scene.env, API_AUTH: 'open', PORT: port, ADMIN_PORT: '0' },
  });
  expect((await second.waitForExit()).code).toBe(1);
  expect(second.stderr.join('\n')).toBe(
    `PORT: port ${port} is in use. Stop the other program, or set PORT to another port.`,
  );
});
