import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { METHODS } from '../../src/core/request/target.ts';
import { until } from '../support/wait.ts';
import { bodyOf, closedPort, deliveryTo, senderFor, startHttp, startTcp } from './endpoints.ts';
import { SELF_SIGNED } from './self-signed.ts';

type Seen = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'rawHeaders'> & { readonly body: Buffer };

/** An endpoint that keeps what it was asked, and answers 200. */
async function startKeeper() {
  const seen: Seen[] = [];
  const endpoint = await startHttp(async (request, response) => {
    const { method, url, headers, rawHeaders } = request;
    seen.push({ method, url, headers, rawHeaders, body: await bodyOf(request) } as Seen);
    response.end('ok');
  });
  return { ...endpoint, seen };
}

test('the body arrives byte for byte, whatever bytes it is', async () => {
  const { url, seen } = await startKeeper();
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  // As NATS hands it on: a part of a larger buffer.
  await senderFor().send(deliveryTo(url, { body: new Uint8Array(bytes.buffer, bytes.byteOffset, 256) }));
  expect(seen[0]!.body).toEqual(bytes);
  expect(seen[0]!.headers['content-length']).toBe('256');
});

test('a part of a message is sent without what stands around it', async () => {
  const { url, seen } = await startKeeper();
  const message = new TextEncoder().encode('{"webhook_url":"x","data":{"a":1.0}}');
  await senderFor().send(deliveryTo(url, { body: message.subarray(26, 35) }));
  expect(seen[0]!.body.toString()).toBe('{"a":1.0}');
});

test('a body of 4 MB arrives whole', async () => {
  const { url, seen } = await startKeeper();
  const body = Buffer.alloc(4_000_000, 'webhook ');
  const { outcome } = await senderFor().send(deliveryTo(url, { body }));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
  expect(seen[0]!.body.equals(body)).toBe(true);
});

test('an empty body has the length 0', async () => {
  const { url, seen } = await startKeeper();
  await senderFor().send(deliveryTo(url, { body: new Uint8Array(0) }));
  expect(seen[0]!.headers['content-length']).toBe('0');
});

test.each(METHODS)('%s goes out as it is', async (method) => {
  const { url, seen } = await startKeeper();
  const sender = senderFor();
  const body = method === 'GET' ? null : Buffer.from('{}');
  const { outcome } = await sender.send(deliveryTo(url, { method, body }));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
  expect(seen[0]).toMatchObject({ method, url: '/hook', body: Buffer.from(method === 'GET' ? '' : '{}') });
});

test.each(METHODS)('connections are used again after %s', async (method) => {
  const { url, connections, seen } = await startKeeper();
  const sender = senderFor();
  const body = method === 'GET' ? null : Buffer.from('{}');
  for (let n = 0; n < 20; n++) await sender.send(deliveryTo(url, { method, body }));
  expect(seen.length).toBe(20);
  // The next request may be sent while undici still holds the connection of the one that just ended.
  expect(connections()).toBeLessThanOrEqual(2);
});

test('every attempt says its delivery, its time and who sends it', async () => {
  const { url, seen } = await startKeeper();
  const { startedAt } = await senderFor().send(deliveryTo(url));
  expect(seen[0]!.headers).toMatchObject({
    'webhook-id': 'orders:1',
    'webhook-timestamp': String(Math.floor(startedAt / 1000)),
    'user-agent': 'the-worker/1',
  });
});

test("the message's User-Agent wins, in whatever case it is written", async () => {
  const { url, seen } = await startKeeper();
  await senderFor().send(deliveryTo(url, { headers: ['USER-Agent', 'mine'] }));
  expect(seen[0]!.headers['user-agent']).toBe('mine');
  expect(seen[0]!.rawHeaders.filter((text) => text.toLowerCase() === 'user-agent').length).toBe(1);
});

test('header names and values arrive as they were written', async () => {
  const { url, seen } = await startKeeper();
  await senderFor().send(deliveryTo(url, { headers: ['X-Event-Type', 'user.created', 'x-empty', ''] }));
  const names = seen[0]!.rawHeaders;
  expect(names[names.indexOf('X-Event-Type') + 1]).toBe('user.created');
  expect(names[names.indexOf('x-empty') + 1]).toBe('');
});

test('the query goes out as it stands in the URL', async () => {
  const { url, seen } = await startKeeper();
  await senderFor().send(deliveryTo(`${url}?a=%20b&c=%C3%A9&d`));
  expect(seen[0]!.url).toBe('/hook?a=%20b&c=%C3%A9&d');
});

test('as many requests are under way at once as were sent', async () => {
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

test('a host that closed the idle connection gets a new one', async () => {
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

test('a connection that is closed under a request is unreachable, and the next request gets a new one', async () => {
  const { url } = await startTcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    socket.once('data', () => socket.destroy());
  });
  const sender = senderFor();
  const outcomeKind = async () => (await sender.send(deliveryTo(url))).outcome.kind;
  expect(await outcomeKind()).toBe('responded');
  await until(async () => (await outcomeKind()) === 'unreachable');
  await until(async () => (await outcomeKind()) === 'responded');
});

test('a refused connection is unreachable, for each of the requests that waited for it', async () => {
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

test('an endpoint that was down is reached as soon as it listens', async () => {
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

test('a name that does not exist is unreachable', async () => {
  const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND hook.test'), { code: 'ENOTFOUND' });
  const sender = senderFor({ resolve: (_hostname, _options, callback) => callback(notFound, []) });
  const { outcome } = await sender.send(deliveryTo('http://hook.test/'));
  expect(outcome).toEqual({
    kind: 'unreachable',
    code: 'ENOTFOUND',
    detail: 'getaddrinfo ENOTFOUND hook.test',
  });
});

test('an address literal that is not allowed is refused, and nothing is dialed', async () => {
  const { port, connections } = await startKeeper();
  const sender = senderFor();
  for (const host of ['10.0.0.1', '127.0.0.2', '[::ffff:127.0.0.2]', '[fe80::1]', '169.254.169.254']) {
    expect((await sender.send(deliveryTo(`http://${host}:${port}/`))).outcome.kind).toBe('blocked');
  }
  expect(connections()).toBe(0);
});

test('localhost is refused where no loopback address is allowed', async () => {
  const { createAddressRules } = await import('../../src/core/endpoint/address.ts');
  const sender = senderFor({ addressRules: createAddressRules({ allowedCidrs: [] }) });
  expect((await sender.send(deliveryTo('http://localhost/'))).outcome.kind).toBe('blocked');
});

test('a name is refused that resolves to an address which is not allowed', async () => {
  const sender = senderFor({
    resolve: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.2', family: 4 }]),
  });
  const { outcome } = await sender.send(deliveryTo('http://hook.test/'));
  expect(outcome).toMatchObject({
    kind: 'blocked',
    detail: expect.stringContaining('hook.test resolves to 127.0.0.2'),
  });
});

test('of several addresses, one that answers is enough', async () => {
  const { port } = await startKeeper();
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

test('a certificate that nobody signed is unreachable, and nothing is sent', async () => {
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

test('https to a port that does not speak TLS is unreachable', async () => {
  const { port } = await startKeeper();
  const { outcome } = await senderFor().send(deliveryTo(`https://127.0.0.1:${port}/`));
  expect(outcome.kind).toBe('unreachable');
});
