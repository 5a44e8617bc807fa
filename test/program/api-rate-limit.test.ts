import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { expect, test } from 'vitest';
import { runProgram } from '../support/program.ts';
import { startApi } from './api-scene.ts';
import { createTables, register } from './rows.ts';
import { openScene, type Scene } from './scene.ts';

const NOWHERE = 'http://127.0.0.1:1/';

const item = (number: number) => ({ endpoint: 'payments', data: { number } });
const itemsOf = (count: number) => Array.from({ length: count }, (_, number) => item(number));

/** The row is there before the API starts: a request that it does not know counts, too. */
async function openLimited(env: Readonly<Record<string, string>>) {
  const scene = await openScene();
  await createTables(scene);
  await register(scene, 'payments', NOWHERE);
  return { scene, api: await startApi(scene, env) };
}

async function storedIn(scene: Scene): Promise<number> {
  return (await scene.manager.streams.info('WEBHOOKS')).state.messages;
}

test('more than the rate gets 429 with Retry-After, and stores nothing; in open mode, a caller is an address', async () => {
  const { scene, api } = await openLimited({ API_RATE_LIMIT: '0.02' });
  expect((await api.post('/webhooks/payments', '1')).status).toBe(202);
  const refused = await api.post('/webhooks/payments', '2');
  expect(refused.status).toBe(429);
  expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const seconds = Number(refused.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(30);
  expect(seconds).toBeLessThanOrEqual(50);
  expect(refused.json).toMatchObject({
    type: '/docs#too-many-requests',
    detail: `This address may send 0.02 webhooks per second (API_RATE_LIMIT). Nothing of this request was stored; repeat it after ${seconds} s.`,
  });
  for (const [path, body] of [
    ['/webhooks', item(3)],
    ['/webhooks/batch', [item(4)]],
    ['/webhooks/payments', 'x'.repeat(100_000)],
  ] as const)
    expect(await api.post(path, body)).toMatchObject({ status: 429 });
  expect(await storedIn(scene)).toBe(1);
  // A request that is wrong anyway gets the words for that.
  expect((await api.post('/webhooks/payments', 'x'.repeat(1_100_000))).status).toBe(413);
  expect((await api.get('/webhooks/stats')).status).toBe(200);
});

test('a batch counts its webhooks, and is taken as a whole', async () => {
  const { scene, api } = await openLimited({ API_RATE_LIMIT: '10' });
  const { status, json } = await api.post('/webhooks/batch', itemsOf(500));
  expect(status).toBe(200);
  expect(json.results.filter((result: { status: number }) => result.status === 202)).toHaveLength(500);
  const refused = await api.post('/webhooks/batch', itemsOf(1));
  expect(refused.status).toBe(429);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(40);
  expect(await storedIn(scene)).toBe(500);
});

test('an empty batch counts as one webhook', async () => {
  const { api } = await openLimited({ API_RATE_LIMIT: '0.02' });
  const statuses = [];
  for (let request = 0; request < 2; request++)
    statuses.push((await api.post('/webhooks/batch', '[]', { 'content-type': 'application/json' })).status);
  expect(statuses[0]).not.toBe(429);
  expect(statuses[1]).toBe(429);
});

test('each API key has a rate of its own, and a request without a valid key costs nobody anything', async () => {
  const { scene, api } = await openLimited({ API_AUTH: 'keys', API_RATE_LIMIT: '0.02' });
  const keyOf = async (name: string) => {
    const made = await runProgram(['keys', 'create', name, '--json'], { env: scene.env });
    await made.waitForExit();
    return { authorization: `Bearer ${/whk_\w+/.exec(made.stdout.join('\n'))![0]}` };
  };
  const [one, other] = [await keyOf('one'), await keyOf('other')];
  for (let request = 0; request < 5; request++)
    expect(
      (await api.post('/webhooks/payments', '1', { authorization: `Bearer whk_none${request}` })).status,
    ).toBe(401);
  const statuses = [];
  for (const key of [one, one, other, other])
    statuses.push((await api.post('/webhooks/payments', '1', key)).status);
  expect(statuses).toEqual([202, 429, 202, 429]);
  expect((await api.post('/webhooks/payments', '1', one)).json.detail).toMatch(
    /^This API key may send 0\.02/,
  );
});

test('who signs is limited by his address: wrong signatures of others cost the source nothing', async () => {
  const scene = await openScene();
  await createTables(scene);
  await scene.query(`INSERT INTO rule_nats_sources (source_name, signature) VALUES ('shop', 'github')`);
  await scene.query(
    `INSERT INTO rule_nats_source_secrets (source_name, secret_value) VALUES ('shop', 'the secret')`,
  );
  const api = await startApi(scene, { API_AUTH: 'keys', API_RATE_LIMIT: '0.02' });
  const right = `sha256=${createHmac('sha256', 'the secret').update('{}').digest('hex')}`;
  const statusOf = (localAddress: string, signature: string) =>
    new Promise<number>((resolve, reject) => {
      const headers = { 'x-hub-signature-256': signature };
      const sent = httpRequest(
        `${api.url}/webhooks/shop`,
        { method: 'POST', localAddress, headers },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode!);
        },
      );
      sent.on('error', reject);
      sent.end('{}');
    });
  expect(await statusOf('127.0.0.1', 'sha256=00')).toBe(401);
  expect(await statusOf('127.0.0.1', right)).toBe(429);
  expect(await statusOf('127.0.0.2', right)).toBe(202);
});
