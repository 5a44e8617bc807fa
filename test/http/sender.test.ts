import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { METHODS } from '../../src/core/request/target.ts';
import { until } from '../support/wait.ts';
import { bodyOf, closedPort, deliveryTo, senderFor, startHttp, startTcp } from './endpoints.ts';
import { SELF_SIGNED } from './self-signed.ts';

type ReceivedRequest = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders'> & {
  readonly body: Buffer;
};

/** An endpoint that records its requests and answers 200. */
async function startRecorder() {
  const received: ReceivedRequest[] = [];
  const endpoint = await startHttp(async (request, response) => {
    const { method, url, headers, rawHeaders } = request;
    received.push({ method, url, headers, rawHeaders, body: await bodyOf(request) } as ReceivedRequest);
    response.end('ok');
  });
  return { ...endpoint, received };
}

test('a body of any bytes arrives byte for byte', async () => {
  const { url, received } = await startRecorder();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  // The body is a part of a larger buffer, as in messages of the NATS client.
  await senderFor().send(deliveryTo(url, { body: new Uint8Array(bytes.buffer, bytes.byteOffset, 256) }));
  expect(received[0]!.body).toEqual(bytes);
  expect(received[0]!.headers['content-length']).toBe('256');
});

test('a body that is part of a message is sent without the rest of the message', async () => {
  const { url, received } = await startRecorder();
  const message = new TextEncoder().encode('{"webhook_url":"x","data":{"a":1.0}}');
  await senderFor().send(deliveryTo(url, { body: message.subarray(26, 35) }));
  expect(received[0]!.body.toString()).toBe('{"a":1.0}');
});

test('a body of 4 MB arrives complete', async () => {
  const { url, received } = await startRecorder();
  const body = Buffer.alloc(4_000_000, 'webhook ');
  const { outcome } = await senderFor().send(deliveryTo(url, { body }));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
  expect(received[0]!.body.equals(body)).toBe(true);
});

test('an empty body has Content-Length 0', async () => {
  const { url, received } = await startRecorder();
  await senderFor().send(deliveryTo(url, { body: new Uint8Array(0) }));
  expect(received[0]!.headers['content-length']).toBe('0');
});

test.each(METHODS)('the method %s arrives unchanged', async (method) => {
  const { url, received } = await startRecorder();
  const sender = senderFor();
  const body = method === 'GET' ? null : Buffer.from('{}');
  const { outcome } = await sender.send(deliveryTo(url, { method, body }));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
  expect(received[0]).toMatchObject({
    method,
    url: '/hook',
    body: Buffer.from(method === 'GET' ? '' : '{}'),
  });
});

test.each(METHODS)('connections are used again after %s', async (method) => {
  const { url, connections, received } = await startRecorder();
  const sender = senderFor();
  const body = method === 'GET' ? null : Buffer.from('{}');
  for (let n = 0; n < 20; n++) await sender.send(deliveryTo(url, { method, body }));
  expect(received.length).toBe(20);
  // The next request may start while undici still holds the connection of the previous request.
  expect(connections()).toBeLessThanOrEqual(2);
});

test('every attempt has the headers webhook-id, webhook-timestamp and user-agent', async () => {
  const { url, received } = await startRecorder();
  const { startedAt } = await senderFor().send(deliveryTo(url));
  expect(received[0]!.headers).toMatchObject({
    'webhook-id': 'orders:1',
    'webhook-timestamp': String(Math.floor(startedAt / 1000)),
    'user-agent': 'the-worker/1',
  });
});

test("the message's User-Agent wins, whatever its case", async () => {
  const { url, received } = await startRecorder();
  await senderFor().send(deliveryTo(url, { headers: ['USER-Agent', 'mine'] }));
  expect(received[0]!.headers['user-agent']).toBe('mine');
  expect(received[0]!.rawHeaders.filter((text) => text.toLowerCase() === 'user-agent').length).toBe(1);
});

test('header names and values arrive unchanged', async () => {
  const { url, received } = await startRecorder();
  await senderFor().send(deliveryTo(url, { headers: ['X-Event-Type', 'user.created', 'x-empty', ''] }));
  const names = received[0]!.rawHeaders;
  expect(names[names.indexOf('X-Event-Type') + 1]).toBe('user.created');
  expect(names[names.indexOf('x-empty') + 1]).toBe('');
});

test('the query of the URL arrives unchanged', async () => {
  const { url, received } = await startRecorder();
  await senderFor().send(deliveryTo(`${url}?a=%20b&c=%C3%A9&d`));
  expect(received[0]!.url).toBe('/hook?a=%20b&c=%C3%A9&d');
});

test('200 requests to one endpoint are in flight at the same time', async () => {
  let waiting: (() => void)[] = [];
  const { url } = await startHttp((_request, response) => {
    waiting.push(() => response.end());
  });
  const sender = senderFor();
  const attempts = Array.from({ length: 200 }, () => sender.send(deliveryTo(url)));
  await until(() => waiting.length === 200);
  for (const answer of waiting) answer();
  waiting = [];
  for (const { outcome } of await Promise.all(attempts)) expect(outcome.kind).toBe('responded');
});

test('a request to an endpoint that closed its idle connection gets a new connection', async () => {
  const { url, open, connections } = await startTcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    socket.end();
  });
  const sender = senderFor();
  for (let n = 1; n <= 3; n++) {
    expect((await sender.send(deliveryTo(url))).outcome).toMatchObject({ status: 200 });
    await until(() => open() === 0);
  }
  expect(connections()).toBe(3);
});

test('an endpoint that refuses connections is unreachable for each concurrent request', async () => {
  const sender = senderFor();
  const port = await closedPort();
  const attempts = Array.from({ length: 20 }, () => sender.send(deliveryTo(`http://127.0.0.1:${port}/`)));
  for (const { outcome } of await Promise.all(attempts)) {
    expect(outcome).toEqual({
      kind: 'unreachable',
      code: 'ECONNREFUSED',
      detail: `connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  }
});

test('an endpoint that was unreachable gets requests as soon as it listens', async () => {
  const sender = senderFor();
  const port = await closedPort();
  const delivery = deliveryTo(`http://127.0.0.1:${port}/`);
  expect((await sender.send(delivery)).outcome.kind).toBe('unreachable');
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 204 No Content\r\n\r\n');
  });
  onTestFinished(() => void server.close());
  await once(server.listen(port, '127.0.0.1'), 'listening');
  expect((await sender.send(delivery)).outcome).toMatchObject({ kind: 'responded', status: 204 });
});

test('an endpoint whose name does not exist is unreachable', async () => {
  const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND hook.test'), { code: 'ENOTFOUND' });
  const sender = senderFor({ resolve: (_hostname, _options, callback) => callback(notFound, []) });
  const { outcome } = await sender.send(deliveryTo('http://hook.test/'));
  expect(outcome).toEqual({
    kind: 'unreachable',
    code: 'ENOTFOUND',
    detail: 'getaddrinfo ENOTFOUND hook.test',
  });
});

test('an address that is not allowed is blocked in the URL, without a dial', async () => {
  const { port, connections } = await startRecorder();
  const sender = senderFor();
  for (const host of ['10.0.0.1', '127.0.0.2', '[::ffff:127.0.0.2]', '[fe80::1]', '169.254.169.254']) {
    expect((await sender.send(deliveryTo(`http://${host}:${port}/`))).outcome.kind).toBe('blocked');
  }
  expect(connections()).toBe(0);
});

test('localhost is blocked if no loopback address is allowed', async () => {
  const { createAddressRules } = await import('../../src/core/endpoint/address.ts');
  const sender = senderFor({ addressRules: createAddressRules({ allowedCidrs: [] }) });
  expect((await sender.send(deliveryTo('http://localhost/'))).outcome.kind).toBe('blocked');
});

test('a name that resolves to an address that is not allowed is blocked', async () => {
  const sender = senderFor({
    resolve: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.2', family: 4 }]),
  });
  const { outcome } = await sender.send(deliveryTo('http://hook.test/'));
  expect(outcome).toMatchObject({
    kind: 'blocked',
    detail: expect.stringContaining('hook.test resolves to 127.0.0.2'),
    addresses: ['127.0.0.2'],
  });
});

test('a name with several addresses is reachable if one of them answers', async () => {
  const { port } = await startRecorder();
  const sender = senderFor({
    resolve: (_hostname, _options, callback) =>
      callback(null, [
        { address: '::1', family: 6 },
        { address: '127.0.0.1', family: 4 },
      ]),
  });
  const { outcome } = await sender.send(deliveryTo(`http://hook.test:${port}/`));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
});

test('an endpoint with a self-signed certificate is unreachable, and no request is sent', async () => {
  let requests = 0;
  const server = createTlsServer(SELF_SIGNED, (_request, response) => {
    requests++;
    response.end();
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const { outcome } = await senderFor().send(deliveryTo(`https://127.0.0.1:${port}/`));
  expect(outcome).toMatchObject({ kind: 'unreachable', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  expect(requests).toBe(0);
});

test('an https URL with a port that does not speak TLS is unreachable', async () => {
  const { port } = await startRecorder();
  const { outcome } = await senderFor().send(deliveryTo(`https://127.0.0.1:${port}/`));
  expect(outcome.kind).toBe('unreachable');
});
