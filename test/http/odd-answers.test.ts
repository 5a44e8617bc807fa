import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import type { Delivery } from '../../src/core/message/delivery.ts';
import { until } from '../support/wait.ts';
import { deliveryTo, senderFor, startTcp } from './endpoints.ts';

type End = 'end' | 'resetAndDestroy' | 'stay';

/** Sends one request to an endpoint that writes these pieces, and then ends its connection. */
async function send(pieces: readonly string[], end: End = 'end', more: Partial<Delivery> = {}) {
  let requests = 0;
  const { url, connections } = await startTcp(async (socket) => {
    requests++;
    socket.setNoDelay(true);
    for (const piece of pieces) await written(socket, piece);
    if (end !== 'stay') socket[end]();
  });
  const { outcome, wasResent } = await senderFor({ attemptTimeoutMs: 60_000 }).send(deliveryTo(url, more));
  return { outcome, requests, connections: connections(), wasResent };
}

const written = (socket: Socket, piece: string) =>
  new Promise<void>((resolve) => socket.write(piece, 'latin1', () => setImmediate(resolve)));

const delivered = (status: number) => ({
  outcome: { kind: 'responded', status, retryAfterMs: null, excerpt: null },
  requests: 1,
  connections: 1,
  wasResent: undefined,
});

const OK = 'HTTP/1.1 200 OK\r\n';

const DELIVERED: [string, number, string][] = [
  ['a 204 with a length and no body', 204, 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n'],
  ['a 204 with a body', 204, 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'],
  ['a body shorter than its length', 200, `${OK}content-length: 100\r\n\r\nhalf`],
  ['a body longer than its length', 200, `${OK}content-length: 2\r\n\r\nmore than two`],
  ['a length that is not a number', 200, `${OK}content-length: many\r\n\r\n`],
  ['a negative length', 200, `${OK}content-length: -1\r\n\r\n`],
  ['two lengths', 200, `${OK}content-length: 1\r\ncontent-length: 2\r\n\r\nab`],
  ['chunks beside a length', 200, `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['a length beside chunks', 200, `${OK}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`],
  ['another encoding', 200, `${OK}transfer-encoding: gzip\r\n\r\nx`],
  ['a chunk that breaks off', 200, `${OK}transfer-encoding: chunked\r\n\r\n50\r\nhalf`],
  ['a chunk without a size', 200, `${OK}transfer-encoding: chunked\r\n\r\nhello\r\n`],
  ['trailers', 200, `${OK}transfer-encoding: chunked\r\ntrailer: x\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n`],
  ['trailers that break off', 200, `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: `],
  ['headers that break off', 200, `${OK}content-le`],
  ['a status line and nothing else', 202, 'HTTP/1.1 202 Accepted\r\n'],
  ['a status without a reason', 200, 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n'],
  ['a header without a colon', 200, `${OK}what is this\r\n\r\n`],
  ['a NUL in a header', 200, `${OK}x: a\0b\r\n\r\n`],
  ['bare line feeds', 200, 'HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
  ['headers of 100 KB', 200, `${OK}x: ${'y'.repeat(100_000)}\r\n\r\n`],
  ['HTTP/1.0 without a length', 200, 'HTTP/1.0 200 OK\r\n\r\nhello'],
  ['an empty line in front', 200, `\r\n${OK}content-length: 0\r\n\r\n`],
];

test.each(DELIVERED)('a delivery, whatever follows the status line: %s', async (_what, status, bytes) => {
  expect(await send([bytes])).toEqual(delivered(status));
});

test.each(DELIVERED)('a delivery, also where the connection is reset: %s', async (_what, status, bytes) => {
  expect(await send([bytes], 'resetAndDestroy')).toEqual(delivered(status));
});

test.each([
  ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ['100 without a reason', 'HTTP/1.1 100\r\n\r\n'],
  ['102', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ['103', 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n'],
  ['several', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 103 y\r\na: b\r\n\r\n'],
  ['one of 200 KB', `HTTP/1.1 103 Early Hints\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`],
  ['a thousand', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000)],
])('interim answers that nobody asked for are skipped: %s', async (_what, interim) => {
  expect(await send([`${interim}${OK}content-length: 2\r\n\r\nok`], 'stay')).toEqual(delivered(200));
});

test.each([
  ['100 and 200', `HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 2\r\n\r\nok`, 200],
  ['204 with a length', 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n', 204],
])('an answer may be cut anywhere: %s', async (_what, bytes, status) => {
  const cuts = Array.from({ length: bytes.length - 1 }, (_, at) => [
    bytes.slice(0, at + 1),
    bytes.slice(at + 1),
  ]);
  for (const pieces of [...cuts, [...bytes]]) {
    expect(await send(pieces), JSON.stringify(pieces)).toEqual(delivered(status));
  }
});

test('the connection is used again after interim answers', async () => {
  const { url, connections } = await startTcp((socket) => {
    const answer = () => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 2\r\n\r\nok`);
    answer();
    socket.on('data', answer);
  });
  const sender = senderFor();
  for (let n = 0; n < 10; n++) {
    expect((await sender.send(deliveryTo(url))).outcome).toMatchObject({ kind: 'responded', status: 200 });
  }
  // The next request may be sent while undici still holds the connection of the one that just ended.
  expect(connections()).toBeLessThanOrEqual(2);
});

test.each([
  ['the body breaks off', 'content-length: 100\r\n\r\nsorry', 'sorry'],
  ['the headers break off', 'retry-after: 3', ''],
  ['the length is wrong', 'content-length: x\r\n\r\nsorry', ''],
])('a final status that is no success counts as well: %s', async (_what, rest, excerpt) => {
  const { outcome } = await send([`HTTP/1.1 503 No\r\n${rest}`]);
  expect(outcome).toEqual({ kind: 'responded', status: 503, retryAfterMs: null, excerpt });
});

test('a Retry-After counts though the body breaks off', async () => {
  const { outcome } = await send(['HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 9\r\n\r\nx']);
  expect(outcome).toMatchObject({ status: 429, retryAfterMs: 3000, excerpt: 'x' });
});

test('a status that the row counts as delivered is a success though the headers break off', async () => {
  const endpoint = { row: { timeoutMs: 60_000 }, signing: null, successStatuses: new Set([409]) };
  const { outcome } = await send(['HTTP/1.1 409 Known\r\nx'], 'end', { endpoint } as unknown as Delivery);
  expect(outcome).toEqual({
    kind: 'responded',
    status: 409,
    retryAfterMs: null,
    excerpt: null,
    isDeclaredSuccess: true,
  });
});

test('response headers of 64 KB are read', async () => {
  const padding = `x: ${'y'.repeat(65_536 - 100)}\r\n`;
  const { outcome } = await send([
    `HTTP/1.1 503 No\r\n${padding}retry-after: 7\r\ncontent-length: 5\r\n\r\nsorry`,
  ]);
  expect(outcome).toEqual({ kind: 'responded', status: 503, retryAfterMs: 7000, excerpt: 'sorry' });
});

test.each([
  ['in the body', 200, `${OK}content-length: 100\r\n\r\nhalf`],
  ['in the headers', 200, `${OK}x: y\r\n`],
  ['in the body of a failure', 500, 'HTTP/1.1 500 No\r\ncontent-length: 9\r\n\r\nx'],
])('an answer that stops %s counts by its status when the time is over', async (_where, status, bytes) => {
  vi.useFakeTimers({ toFake: ['performance'] });
  let reached = false;
  const { url, open, connections } = await startTcp((socket) => {
    socket.write(bytes, () => {
      reached = true;
    });
  });
  const attempt = senderFor({ attemptTimeoutMs: 20_000 }).send(deliveryTo(url));
  await until(() => reached);
  // The bytes are on their way to this process.
  await new Promise((resolve) => setTimeout(resolve, 100));
  vi.advanceTimersByTime(20_000);
  vi.useRealTimers();
  expect((await attempt).outcome).toMatchObject({ kind: 'responded', status });
  await until(() => open() === 0);
  // The endpoint is not dialed again for a request that is over.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(connections()).toBe(1);
});

test('an abort after a final status counts the status', async () => {
  let reached = false;
  const { url } = await startTcp((socket) => {
    socket.write(`${OK}content-length: 100\r\n\r\nhalf`, () => {
      reached = true;
    });
  });
  const sender = senderFor();
  const attempt = sender.send(deliveryTo(url));
  await until(() => reached);
  await new Promise((resolve) => setTimeout(resolve, 100));
  sender.abortAll();
  expect((await attempt).outcome).toMatchObject({ kind: 'responded', status: 200 });
});
