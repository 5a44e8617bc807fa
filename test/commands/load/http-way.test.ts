import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { httpWay } from '../../../src/commands/load/http-way.ts';
import { createPostClient } from '../../../src/http/post-client.ts';
import { cleanUpAfter } from '../../support/clean-up.ts';

type Answer = { readonly status: number; readonly body: object } | 'break';

const ACCEPTED: Answer = { status: 202, body: { ok: true, id: 'api-orders-1', duplicate: false } };

/** A real HTTP server that gives these answers in turn, and the last one again and again. */
async function startApi(...answers: Answer[]) {
  const requests: { method: string; path: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '', headers } = request;
    const answer = answers[Math.min(requests.length, answers.length - 1)]!;
    requests.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
    if (answer === 'break') {
      request.socket.destroy();
      return;
    }
    response
      .writeHead(answer.status, { 'content-type': 'application/json' })
      .end(JSON.stringify(answer.body));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = createPostClient(url, { connections: 2, timeoutMs: 5000 });
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  cleanUpAfter(() => client.close());
  cleanUpAfter(stop);
  return { requests, client, stop };
}

const MESSAGE = { id: 'load-1-1', body: Buffer.from('{"n": 1.0}') };

describe('a load by HTTP', () => {
  test('posts the payload byte for byte to its name, with a key of its own', async () => {
    const { requests, client } = await startApi(ACCEPTED);
    const port = httpWay(client, { name: 'orders', url: null, apiKey: 'whk_1' });
    expect(await port.send(MESSAGE)).toEqual({ kind: 'accepted', id: 'api-orders-1', duplicate: false });
    expect(requests).toMatchObject([{ method: 'POST', path: '/webhooks/orders', body: '{"n": 1.0}' }]);
    expect(requests[0]!.headers).toMatchObject({
      'idempotency-key': 'load-1-1',
      authorization: 'Bearer whk_1',
      'content-type': 'application/json',
    });
  });

  test('names the endpoint, if there is one, and needs no key in an open API', async () => {
    const { requests, client } = await startApi(ACCEPTED);
    await httpWay(client, { name: 'load', url: 'http://127.0.0.1:9/x', apiKey: null }).send(MESSAGE);
    expect(requests).toMatchObject([
      { path: '/webhooks', body: '{"webhook_url":"http://127.0.0.1:9/x","data":{"n": 1.0}}' },
    ]);
    expect(requests[0]!.headers).not.toHaveProperty('authorization');
  });

  test.each<[string, Answer]>([
    ['a 504', { status: 504, body: { id: 'api-orders-1' } }],
    ['a broken connection', 'break'],
  ])('repeats a request under its key after %s', async (_name, first) => {
    const { requests, client } = await startApi(first, { status: 503, body: {} }, ACCEPTED);
    const result = await httpWay(client, { name: 'orders', url: null, apiKey: null }).send(MESSAGE);
    expect(result).toMatchObject({ kind: 'accepted', id: 'api-orders-1' });
    expect(requests.map(({ headers }) => headers['idempotency-key'])).toEqual(Array(3).fill('load-1-1'));
  });

  test('counts a 503 as refused, and does not repeat it', async () => {
    const { requests, client } = await startApi({ status: 503, body: { title: 'NATS is away.' } });
    const result = await httpWay(client, { name: 'orders', url: null, apiKey: null }).send(MESSAGE);
    expect(result).toEqual({ kind: 'refused', reason: 'HTTP 503: NATS is away.', endsRun: false });
    expect(requests).toHaveLength(1);
  });

  test('counts a refused connection as refused', async () => {
    const { client, stop } = await startApi(ACCEPTED);
    await stop();
    const result = await httpWay(client, { name: 'orders', url: null, apiKey: null }).send(MESSAGE);
    expect(result).toMatchObject({ kind: 'refused', reason: expect.stringContaining('ECONNREFUSED') });
  });
});
