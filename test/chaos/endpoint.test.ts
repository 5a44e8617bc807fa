import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { POISON, startChaosEndpoint } from './endpoint.ts';
import type { EndpointRequest } from './evidence.ts';

async function open() {
  const requests: EndpointRequest[] = [];
  const endpoint = await startChaosEndpoint((request) => requests.push(request));
  cleanUpAfter(() => endpoint.close());
  const send = (path: string, id: string, body: object = {}) =>
    fetch(endpoint.url + path, { method: 'POST', headers: { 'webhook-id': id }, body: JSON.stringify(body) });
  return { endpoint, requests, send };
}

it('a request counts as answered only if its answer was sent before the client was gone', async () => {
  const { endpoint, requests } = await open();
  const { hostname, port } = new URL(endpoint.url);
  const client = connect(Number(port), hostname);
  await once(client, 'connect');
  client.write('POST / HTTP/1.1\r\nHost: x\r\nwebhook-id: cut-off\r\nContent-Length: 2\r\n\r\n{}', () =>
    client.resetAndDestroy(),
  );
  await until(() => requests.length === 1);
  expect(requests).toEqual([expect.objectContaining({ id: 'cut-off', answer: null })]);
});

it('a request is recorded with the URL, the times and the status of its answer', async () => {
  const { endpoint, requests, send } = await open();
  const before = Date.now();
  await send('/?a=1', 'well');
  endpoint.misbehave();
  await send('/status/503', 'refused');
  await until(() => requests.length === 2);
  expect(requests).toMatchObject([
    { id: 'well', endpoint: `${endpoint.url}/`, answer: 200 },
    { id: 'refused', endpoint: `${endpoint.url}/status/503`, answer: 503 },
  ]);
  for (const { at, answeredAt } of requests) {
    expect(at).toBeGreaterThanOrEqual(before);
    expect(answeredAt).toBeGreaterThanOrEqual(at);
  }
});

it('a poisoned path misbehaves for poisoned messages only', async () => {
  const { endpoint, send } = await open();
  const statusOf = async (...request: Parameters<typeof send>) => (await send(...request)).status;
  expect(await statusOf('/poisoned/status/500', 'early', POISON)).toBe(200);
  endpoint.misbehave();
  expect(await statusOf('/poisoned/status/500', 'bad', POISON)).toBe(500);
  expect(await statusOf('/poisoned/status/500', 'good')).toBe(200);
  expect(await statusOf('/other', 'elsewhere', POISON)).toBe(200);
});

it('a hanging request is answered with 200 when the endpoint recovers', async () => {
  const { endpoint, requests, send } = await open();
  endpoint.misbehave();
  const answer = send('/hang', 'patient');
  await send('/', 'meanwhile');
  endpoint.recover();
  expect((await answer).status).toBe(200);
  await until(() => requests.length === 2);
  expect(requests.map(({ id, answer }) => ({ id, answer }))).toContainEqual({ id: 'patient', answer: 200 });
});

it('a status that is followed by no complete answer counts as the answer', async () => {
  const { endpoint, requests, send } = await open();
  endpoint.misbehave();
  await send('/cut', 'cut').catch(() => undefined);
  await send('/reset', 'reset').catch(() => undefined);
  await until(() => requests.length === 2);
  expect(requests.map(({ id, answer }) => ({ id, answer }))).toEqual([
    { id: 'cut', answer: 200 },
    { id: 'reset', answer: null },
  ]);
});
