import { expect, test } from 'vitest';
import { freePort } from '../../src/embedded/process/ports.ts';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { openApiScene, startApi } from './api-scene.ts';
import { openScene, startEndpoint } from './scene.ts';
import { breakableLink, lockAttempts } from './slow-postgres.ts';

test('with INGEST_LOG=on, a webhook is known from its 202 on, and then what became of it', async () => {
  const endpoint = await startEndpoint();
  const the = await openApiScene({ payments: endpoint.url }, { INGEST_LOG: 'on' });
  const { json, headers } = await the.api.post('/webhooks', {
    endpoint: 'payments',
    event_type: 'paid',
    event_id: 'e1',
    data: 1,
  });
  const path = headers.get('location')!;
  const before = await until(async () => {
    const answer = await the.api.get(path);
    return answer.status === 200 && answer.json;
  });
  expect(before).toEqual({
    id: json.id,
    name: 'payments',
    received: {
      event_type: 'paid',
      event_id: 'e1',
      sequence: json.sequence,
      received_at: expect.stringMatching(/Z$/),
    },
    deliveries: [],
  });
  await the.scene.startWorker();
  const after = await until(async () => {
    const answer = await the.api.get(path);
    return answer.json.deliveries?.[0]?.status === 'delivered' && answer.json;
  });
  expect(after.deliveries).toMatchObject([
    { attempts: 1, last_status: 200, last_error: null, next_attempt_at: null },
  ]);
  expect((await the.api.get(path.replace('payments/', 'orders/'))).json).toMatchObject({
    status: 404,
    type: '/docs#unknown-webhook',
  });
});

test('without INGEST_LOG, a webhook is known from its first attempt on, and the answer says so', async () => {
  const the = await openApiScene({ payments: 'http://127.0.0.1:1/' });
  const { headers } = await until(async () => {
    const answer = await the.api.post('/webhooks/payments', '{}');
    return answer.status === 202 && answer;
  });
  const path = headers.get('location')!;
  expect((await the.api.get(path)).json).toMatchObject({
    status: 404,
    detail: expect.stringContaining('INGEST_LOG=on'),
  });
  await the.scene.startWorker();
  const known = await until(async () => {
    const answer = await the.api.get(path);
    return answer.status === 200 && answer.json;
  });
  // PostgreSQL can hold no such id.
  expect((await the.api.get('/webhooks/payments/a%00b')).status).toBe(404);
  expect(known).toMatchObject({
    received: null,
    deliveries: [{ status: 'retrying', last_error: expect.stringContaining('ECONNREFUSED') }],
  });
});

test('the counts are those of the view nats_webhook_counts, and of what waits in NATS', async () => {
  const endpoint = await startEndpoint();
  const the = await openApiScene({ payments: endpoint.url, broken: 'http://127.0.0.1:1/' });
  for (const [name, type] of [
    ['payments', 'a'],
    ['payments', 'b'],
    ['broken', 'a'],
  ] as const) {
    await until(
      async () => (await the.api.post(`/webhooks/${name}`, '{}', { 'x-event-type': type })).status === 202,
    );
  }
  await the.scene.startWorker({ MAX_ATTEMPTS: '1' });
  const rows = await until(async () => {
    const found = await the.scene.query(
      'SELECT webhook_name, event_type, status, deliveries::int FROM nats_webhook_counts ORDER BY 1, 2',
    );
    return found.length === 3 && found;
  });
  expect(rows.map(({ webhook_name, event_type }) => `${webhook_name} ${event_type}`)).toEqual([
    'broken a',
    'payments a',
    'payments b',
  ]);
  const { json } = await the.api.get('/webhooks/stats');
  expect(json).toMatchObject({
    waiting: {
      pending: 0,
      parked: expect.any(Number),
      scheduled: 0,
      ordered: 0,
      dead_letters: expect.any(Number),
    },
    by_status: { delivered: 2 },
    by_name: { payments: 2, broken: 1 },
    by_event_type: { a: 2, b: 1 },
  });
  expect(Object.keys(json.by_hour)).toHaveLength(1);
  expect(json.counts).toHaveLength(3);
});

test('the depth and the age of the outbox are those of the view, and of the command stats', async () => {
  const { scene, api } = await openApiScene({});
  await until(async () => (await scene.query(`SELECT to_regclass('rule_nats_outbox') AS t`))[0]!.t !== null);
  for (const number of [1, 2, 3]) await scene.query(`SELECT webhook_enqueue('orders', $1)`, [String(number)]);
  await scene.query(`UPDATE rule_nats_outbox SET failed_at = now(), error = 'no' WHERE data = '3'`);
  await scene.query(
    `UPDATE rule_nats_outbox SET created_at = now() - interval '90 seconds' WHERE data = '1'`,
  );
  const { json } = await api.get('/webhooks/stats');
  expect(json.outbox).toMatchObject({ waiting: 2, failed: 1 });
  expect(json.outbox.oldest_age_ms).toBeGreaterThanOrEqual(90_000);
  const stats = await runProgram(['stats', '--json'], { env: scene.env });
  await stats.waitForExit();
  const shown = JSON.parse(stats.stdout.join(''));
  expect(shown.outbox).toMatchObject({ waiting: 2, failed: 1 });
  expect(shown.outbox.oldestAgeMs).toBeGreaterThanOrEqual(90_000);
  expect(shown.outbox.oldestAgeMs).toBeLessThan(200_000);
});

test('counts that PostgreSQL does not finish get 503 with the cure, and keep nobody waiting', async () => {
  const { scene, api } = await openApiScene({});
  const { pool, release } = await lockAttempts(scene.env.DATABASE_URL!);
  const [one, other] = await Promise.all([api.get('/webhooks/stats'), api.get('/webhooks/stats')]);
  for (const answer of [one, other])
    expect(answer.json).toMatchObject({
      status: 503,
      type: '/docs#stats-too-slow',
      detail: expect.stringContaining('nats_webhook_counts in SQL'),
    });
  expect(one.headers.get('retry-after')).toBe('30');
  // The refusal is kept, too: it costs PostgreSQL nothing more.
  const working = `SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'nats_webhook_counts' AND state = 'active' AND pid <> pg_backend_pid()`;
  expect((await api.get('/webhooks/stats')).status).toBe(503);
  expect((await pool.query(working)).rows).toEqual([{ count: 0 }]);
  await release();
  await until(async () => (await api.get('/webhooks/stats')).status === 200);
});

test('a PostgreSQL that does not answer at all gets 503, and gets one question at a time', async () => {
  const scene = await openScene();
  const link = await breakableLink(scene.env.DATABASE_URL!);
  const api = await startApi(scene, { DATABASE_URL: link.url });
  link.freeze();
  const answers = await Promise.all([api.get('/webhooks/stats'), api.get('/webhooks/stats')]);
  for (const { json } of answers) expect(json).toMatchObject({ status: 503, type: '/docs#status-unknown' });
});

test('the status needs the scope read, or the one of its name; counts need stats', async () => {
  const the = await openScene();
  const api = await startApi(the, { API_AUTH: 'keys' });
  await the.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('payments', 'http://127.0.0.1:1/')`);
  const keyWith = async (scopes: string) => {
    const made = await runProgram(['keys', 'create', scopes, '--scopes', scopes, '--json'], { env: the.env });
    await made.waitForExit();
    return { authorization: `Bearer ${/whk_\w+/.exec(made.stdout.join('\n'))![0]}` };
  };
  const [own, other, reader] = [
    await keyWith('publish:payments'),
    await keyWith('publish:orders'),
    await keyWith('read'),
  ];
  const statuses = async (path: string) => [
    (await api.get(path)).status,
    (await api.get(path, own)).status,
    (await api.get(path, other)).status,
    (await api.get(path, reader)).status,
  ];
  expect(await statuses('/webhooks/payments/none')).toEqual([401, 404, 403, 404]);
  expect(await statuses('/webhooks/stats')).toEqual([401, 403, 403, 200]);
});

test('while PostgreSQL is away, the status is unknown', async () => {
  const { url } = (await openScene()).nats;
  const away = await startApi({ env: { NATS_URL: url, DATABASE_URL: 'postgresql://127.0.0.1:1/none' } });
  expect((await away.get('/webhooks/payments/a')).json).toMatchObject({
    status: 503,
    type: '/docs#status-unknown',
  });
  expect((await away.get('/webhooks/stats')).status).toBe(503);
  expect((await away.get('/health')).json).toMatchObject({ status: 'degraded' });
});

test('all takes webhooks, publishes the outbox and delivers both in one process', async () => {
  const endpoint = await startEndpoint();
  const the = await openScene();
  const port = String(await freePort());
  const all = await startApi(the, { HTTP_PORT: port }, 'all');
  await all.program.waitForLine(/all\.started/);
  await the.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('payments', $1)`, [endpoint.url]);
  await until(async () => (await all.post('/webhooks/payments', '{"n":1}')).status === 202);
  await until(() => endpoint.requests.length === 1);
  await the.query(`SELECT webhook_enqueue('payments', '{"n":2}')`);
  await until(() => endpoint.requests.length === 2);
  const relay = await fetch(`http://127.0.0.1:${port}/health/relay`);
  expect(await relay.json()).toMatchObject({ status: 'ok', since: { published: 1 } });
  all.program.kill();
  expect(await all.program.waitForExit()).toEqual({ code: 0, signal: null });
});
