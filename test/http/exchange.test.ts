import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Delivery } from '../../src/core/message/delivery.ts';
import { until } from '../support/wait.ts';
import { deliveryTo, senderFor, startHttp, startTcp } from './endpoints.ts';

type Answer = { status: number; headers?: Record<string, string | string[]>; body?: string | Buffer };

async function outcomeOf({ status, headers = {}, body = '' }: Answer) {
  const { url } = await startHttp((_request, response) => {
    response.writeHead(status, headers);
    response.end(body);
  });
  return (await senderFor().send(deliveryTo(url))).outcome;
}

/** The outcome of a request that is answered with these bytes, after which the server ends the connection. */
async function outcomeOfBytes(bytes: string, end: 'end' | 'resetAndDestroy' = 'end') {
  const { url } = await startTcp((socket) => {
    // The reset comes after the bytes are sent, since it drops unsent bytes.
    socket.write(bytes, () => socket[end]());
  });
  return (await senderFor().send(deliveryTo(url))).outcome;
}

test.each([200, 201, 202, 204, 299])('an answer with status %i has no excerpt', async (status) => {
  expect(await outcomeOf({ status, body: status === 204 ? '' : 'thanks' })).toEqual({
    kind: 'responded',
    status,
    retryAfterMs: null,
    excerpt: null,
  });
});

test.each([
  400, 404, 410, 422, 429, 500, 503, 599,
])('an answer with status %i has an excerpt of its body', async (status) => {
  expect(await outcomeOf({ status, body: 'no such order' })).toEqual({
    kind: 'responded',
    status,
    retryAfterMs: null,
    excerpt: 'no such order',
  });
});

test.each([
  302, 409, 410, 503,
])('an answer with status %i is a success if the row says so', async (status) => {
  const { url } = await startHttp((_request, response) => {
    response.writeHead(status, { 'retry-after': '60' });
    response.end('it is here already');
  });
  const endpoint = { row: { timeoutMs: 5000 }, signing: null, successStatuses: new Set([status]) };
  const delivery = { ...deliveryTo(url), endpoint } as unknown as Delivery;
  expect((await senderFor().send(delivery)).outcome).toEqual({
    kind: 'responded',
    status,
    retryAfterMs: null,
    excerpt: null,
    isDeclaredSuccess: true,
  });
});

test.each([301, 302, 303, 307, 308])('a redirect (%i) is not followed', async (status) => {
  const paths: (string | undefined)[] = [];
  const { url, port } = await startHttp((request, response) => {
    paths.push(request.url);
    response.writeHead(status, { location: `http://127.0.0.1:${port}/elsewhere` });
    response.end();
  });
  expect((await senderFor().send(deliveryTo(url))).outcome).toMatchObject({ kind: 'responded', status });
  expect(paths).toEqual(['/hook']);
});

test('an answer with status 304 has an empty excerpt', async () => {
  expect(await outcomeOf({ status: 304 })).toMatchObject({ kind: 'responded', status: 304, excerpt: '' });
});

test('the excerpt of a failure is at most 1 KB', async () => {
  const outcome = await outcomeOf({ status: 500, body: 'x'.repeat(10_000) });
  expect(outcome).toMatchObject({ status: 500, excerpt: 'x'.repeat(1024) });
});

test('the excerpt is complete if the body arrives in many pieces', async () => {
  const { url } = await startHttp((_request, response) => {
    response.writeHead(500);
    let pieces = 0;
    const next = () => (pieces++ < 30 ? response.write('y'.repeat(50), next) : response.end());
    next();
  });
  const { outcome } = await senderFor().send(deliveryTo(url));
  expect(outcome).toMatchObject({ status: 500, excerpt: 'y'.repeat(1024) });
});

test('a Retry-After in seconds counts', async () => {
  expect(await outcomeOf({ status: 429, headers: { 'retry-after': '120' } })).toMatchObject({
    retryAfterMs: 120_000,
  });
});

test.each(['toUTCString', 'asctime'])('a Retry-After as a date (%s) counts from now', async (form) => {
  const date = new Date(Date.now() + 3_600_000);
  const [day, dayOfMonth, month, year, time] = date.toUTCString().replace(',', '').split(' ');
  const text = form === 'asctime' ? `${day} ${month} ${dayOfMonth} ${time} ${year}` : date.toUTCString();
  const outcome = await outcomeOf({ status: 503, headers: { 'retry-after': text } });
  expect(outcome.kind === 'responded' && outcome.retryAfterMs).toBeGreaterThan(3_000_000);
});

test.each(['soon', '-1', '1.5', ''])('a Retry-After of "%s" is ignored', async (text) => {
  const outcome = await outcomeOf({ status: 503, headers: { 'retry-after': text } });
  expect(outcome).toMatchObject({ retryAfterMs: null });
});

test('the first of two Retry-After headers counts', async () => {
  const outcome = await outcomeOf({ status: 503, headers: { 'retry-after': ['7', '9'] } });
  expect(outcome).toMatchObject({ retryAfterMs: 7000 });
});

test('an endless body is cut, and its status counts', async () => {
  const { url, server } = await startHttp((_request, response) => {
    response.writeHead(200);
    const writeMore = () => {
      while (!response.destroyed && response.write('x'.repeat(10_000)));
      response.once('drain', writeMore);
    };
    writeMore();
  });
  const closed = new Promise((resolve) =>
    server.once('connection', (socket) => socket.once('close', resolve)),
  );
  const { outcome } = await senderFor({ maxResponseBytes: 20_000 }).send(deliveryTo(url));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
  await closed;
});

test('a connection is used again after a body of exactly maxResponseBytes', async () => {
  const { url, connections } = await startHttp((_request, response) => response.end('x'.repeat(1000)));
  const sender = senderFor({ maxResponseBytes: 1000 });
  for (let n = 0; n < 10; n++) {
    expect((await sender.send(deliveryTo(url))).outcome).toMatchObject({ status: 200 });
  }
  expect(connections()).toBeLessThanOrEqual(2);
});

test('a compressed body is not decompressed', async () => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const headers = { 'content-encoding': 'gzip', 'content-type': 'text/plain' };
  const outcome = await outcomeOf({ status: 500, headers, body: bomb });
  expect(outcome).toMatchObject({ kind: 'responded', status: 500 });
  expect(outcome.kind === 'responded' && outcome.excerpt).toBe(bomb.subarray(0, 1024).toString('utf8'));
});

test('interim answers are skipped', async () => {
  const bytes = 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n';
  const outcome = await outcomeOfBytes(`${bytes}HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n`);
  expect(outcome).toMatchObject({ kind: 'responded', status: 201 });
});

test('an interim answer without a final one is unreachable', async () => {
  const outcome = await outcomeOfBytes('HTTP/1.1 103 Early Hints\r\n\r\n');
  expect(outcome).toMatchObject({ kind: 'unreachable', code: 'UND_ERR_SOCKET' });
});

test('a body that ends with its connection is complete', async () => {
  const outcome = await outcomeOfBytes('HTTP/1.1 500 Oh\r\nconnection: close\r\n\r\nsorry');
  expect(outcome).toMatchObject({ kind: 'responded', status: 500, excerpt: 'sorry' });
});

test.each([
  ['nothing', ''],
  ['half a status line', 'HTTP/1.1 20'],
])('a connection that ends after %s is unreachable', async (_what, bytes) => {
  expect(await outcomeOfBytes(bytes)).toMatchObject({ kind: 'unreachable' });
});

test('a connection that is reset before the status line is unreachable', async () => {
  expect(await outcomeOfBytes(' ', 'resetAndDestroy')).toMatchObject({ kind: 'unreachable' });
});

test.each([
  ['another protocol', 'SSH-2.0-OpenSSH_9.2p1\r\n'],
  [
    'an upgrade that was not requested',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  ],
])('an endpoint that sends %s instead of an answer is unreachable', async (_what, bytes) => {
  expect(await outcomeOfBytes(bytes)).toMatchObject({ kind: 'unreachable', code: expect.any(String) });
});

test('bytes after a complete answer are ignored', async () => {
  const { url, open } = await startTcp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n');
  });
  const { outcome } = await senderFor().send(deliveryTo(url));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
  await until(() => open() === 0);
});
