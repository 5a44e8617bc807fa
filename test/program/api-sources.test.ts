import { createHmac } from 'node:crypto';
import { expect, test } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { startApi } from './api-scene.ts';
import { openScene, startEndpoint } from './scene.ts';

const PAYMENT = {
  event_id: 'evt_12345',
  type: 'payment.completed',
  amount: '5000',
  currency: 'NGN',
  occurred_at: '2026-01-10T12:00:00Z',
};

async function openSources(env: Record<string, string> = {}) {
  const the = await openScene();
  const api = await startApi(the, env);
  await the.query(`INSERT INTO rule_webhooks (webhook_name, url) VALUES ('payments', 'http://127.0.0.1:1/')`);
  const set = async (...args: string[]) => {
    const done = await runProgram(['sources', ...args], { env: the.env });
    const { code } = await done.waitForExit();
    if (code !== 0) throw new Error([...done.stdout, ...done.stderr].join('\n'));
  };
  return { the, api, set };
}

test('the payment of the worker pool is taken with its own curl line, once, and a bad one gets 422 with pointers', async () => {
  const { api, set } = await openSources();
  await set('set', 'payments', '--template', 'payments');
  const post = (body: object) =>
    api.post('/webhooks/payments', body, { 'x-webhook-signature': 'test-signature' });
  const invalid = await until(async () => {
    const answer = await post({ ...PAYMENT, amount: 'much', currency: undefined });
    return answer.status === 422 && answer;
  });
  expect(invalid.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toContain('/amount');
  expect(invalid.text).not.toContain('much');
  // The body has no field event_type: the source reads the field type as one.
  const twoLines = await post({ ...PAYMENT, type: 'two\nlines' });
  expect(twoLines.json).toMatchObject({
    status: 422,
    errors: [{ pointer: '', detail: expect.stringContaining('event type that the source reads') }],
  });
  const first = await post(PAYMENT);
  expect(first.json).toMatchObject({ ok: true, duplicate: false });
  expect((await post(PAYMENT)).json).toEqual({ ...first.json, duplicate: true });
  expect((await api.post('/webhooks/payments', 'no JSON')).json).toMatchObject({ status: 400 });
});

test('the schema of a source also holds for POST /webhooks, and for each webhook of a batch', async () => {
  const { api, set, the } = await openSources();
  await set('set', 'payments', '--template', 'payments');
  const bad = { ...PAYMENT, amount: 'much' };
  const refused = await until(async () => {
    const answer = await api.post('/webhooks', { endpoint: 'payments', data: bad });
    return answer.status === 422 && answer;
  });
  expect(refused.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/data/amount']);
  expect(refused.text).not.toContain('much');
  expect((await api.post('/webhooks', { endpoint: 'payments', event_type: 'a' })).status).toBe(422);
  const [row] = await the.query<{ id: number }>('SELECT webhook_id AS id FROM rule_webhooks');
  expect((await api.post('/webhooks', { config_id: row!.id, data: bad })).status).toBe(422);
  const batch = await api.post('/webhooks/batch', [
    { endpoint: 'payments', data: bad },
    { endpoint: 'payments', data: PAYMENT },
    { webhook_url: 'https://example.com/hook', data: bad },
  ]);
  expect(batch.json.results.map(({ status }: { status: number }) => status)).toEqual([422, 202, 202]);
});

test('a signature over the bytes takes the place of an API key, and no reason is told of a wrong one', async () => {
  const { api, set } = await openSources({ API_AUTH: 'keys' });
  await set('set', 'payments', '--template', 'payments', '--secret', 'a secret of the payments');
  const body = JSON.stringify(PAYMENT);
  const hex = createHmac('sha256', 'a secret of the payments').update(body).digest('hex');
  const post = (signature?: string, sent = body) =>
    api.post('/webhooks/payments', sent, signature === undefined ? {} : { 'x-webhook-signature': signature });
  await until(async () => (await post(hex)).status === 202);
  const refusals = [await post('00'), await post(), await post(hex, `${body} `)];
  expect(refusals.map(({ status }) => status)).toEqual([401, 401, 401]);
  expect(new Set(refusals.map(({ json }) => json.detail)).size).toBe(1);
  await api.program.waitForLine(/source\.signature_refused/);
  expect((await api.post('/webhooks/other', '{}')).status).toBe(401);
});

test('a payload with a webhook_url that comes through a source goes to its endpoint, and nowhere else', async () => {
  const endpoint = await startEndpoint();
  const { the, api } = await openSources();
  await the.query(`UPDATE rule_webhooks SET url = $1`, [`${endpoint.url}/own`]);
  await the.startWorker();
  await until(
    async () =>
      (await api.post('/webhooks/payments', { webhook_url: `${endpoint.url}/stolen` })).status === 202,
  );
  await until(() => endpoint.requests.length === 1);
  expect(endpoint.requests[0]?.path).toBe('/own');
});
