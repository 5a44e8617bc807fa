import type { Socket } from 'node:net';
import { expect, test, vi } from 'vitest';
import type { Delivery } from '../../src/core/message/delivery.ts';
import { until } from '../support/wait.ts';
import { deliveryTo, roundTrip, senderFor, startTcp } from './endpoints.ts';

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
  ['status 204, a Content-Length and no body', 204, 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n'],
  ['status 204 and a body', 204, 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\nhello'],
  ['a body shorter than its Content-Length', 200, `${OK}content-length: 100\r\n\r\nhalf`],
  ['a body longer than its Content-Length', 200, `${OK}content-length: 2\r\n\r\nmore than two`],
  ['a Content-Length that is not a number', 200, `${OK}content-length: many\r\n\r\n`],
  ['a negative Content-Length', 200, `${OK}content-length: -1\r\n\r\n`],
  ['two values of Content-Length', 200, `${OK}content-length: 1\r\ncontent-length: 2\r\n\r\nab`],
  [
    'Content-Length before Transfer-Encoding',
    200,
    `${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  [
    'Transfer-Encoding before Content-Length',
    200,
    `${OK}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`,
  ],
  ['an unknown Transfer-Encoding', 200, `${OK}transfer-encoding: gzip\r\n\r\nx`],
  ['half of a chunk', 200, `${OK}transfer-encoding: chunked\r\n\r\n50\r\nhalf`],
  ['a chunk without a size', 200, `${OK}transfer-encoding: chunked\r\n\r\nhello\r\n`],
  ['trailers', 200, `${OK}transfer-encoding: chunked\r\ntrailer: x\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n`],
  ['incomplete trailers', 200, `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: `],
  ['incomplete headers', 200, `${OK}content-le`],
  ['only a status line', 202, 'HTTP/1.1 202 Accepted\r\n'],
  ['a status without a reason', 200, 'HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n'],
  ['a header without a colon', 200, `${OK}what is this\r\n\r\n`],
  ['a NUL in a header', 200, `${OK}x: a\0b\r\n\r\n`],
  ['bare line feeds', 200, 'HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
  ['headers of 100 KB', 200, `${OK}x: ${'y'.repeat(100_000)}\r\n\r\n`],
  ['HTTP/1.0 and no Content-Length', 200, 'HTTP/1.0 200 OK\r\n\r\nhello'],
  ['an empty line before its status line', 200, `\r\n${OK}content-length: 0\r\n\r\n`],
];

test.each(DELIVERED)('the status counts if the answer has %s', async (_what, status, bytes) => {
  expect(await send([bytes])).toEqual(delivered(status));
});

test.each(
  DELIVERED,
)('the status counts if the answer has %s, and the connection is reset', async (_what, status, bytes) => {
  expect(await send([bytes], 'resetAndDestroy')).toEqual(delivered(status));
});

test.each([
  ['a 100', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ['a 100 without a reason', 'HTTP/1.1 100\r\n\r\n'],
  ['a 102', 'HTTP/1.1 102 Processing\r\n\r\n'],
  ['a 103', 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n'],
  [
    'a 100, a 102 and a 103',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\nHTTP/1.1 103 y\r\na: b\r\n\r\n',
  ],
  ['a 103 of 200 KB', `HTTP/1.1 103 Early Hints\r\nx: ${'y'.repeat(200_000)}\r\n\r\n`],
  ['a thousand answers of 102', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(1000)],
])('the final answer counts after %s', async (_what, interim) => {
  expect(await send([`${interim}${OK}content-length: 2\r\n\r\nok`], 'stay')).toEqual(delivered(200));
});

test.each([
  ['a 200 after a 100', `HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 2\r\n\r\nok`, 200],
  ['a 204 with a Content-Length', 'HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n', 204],
])('the status counts wherever the answer is split: %s', async (_what, bytes, status) => {
  const cuts = Array.from({ length: bytes.length - 1 }, (_, at) => [
    bytes.slice(0, at + 1),
    bytes.slice(at + 1),
  ]);
  for (const pieces of [...cuts, [...bytes]]) {
    expect(await send(pieces), JSON.stringify(pieces)).toEqual(delivered(status));
  }
});

test('a connection is used again after interim answers', async () => {
  const { url, connections } = await startTcp((socket) => {
    const answer = () => socket.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 2\r\n\r\nok`);
    answer();
    socket.on('data', answer);
  });
  const sender = senderFor();
  for (let n = 0; n < 10; n++) {
    expect((await sender.send(deliveryTo(url))).outcome).toMatchObject({ kind: 'responded', status: 200 });
  }
  // The next request may start while undici still holds the connection of the previous request.
  expect(connections()).toBeLessThanOrEqual(2);
});

test.each([
  ['the body is incomplete', 'content-length: 100\r\n\r\nsorry', 'sorry'],
  ['the headers are incomplete', 'retry-after: 3', ''],
  ['the Content-Length is invalid', 'content-length: x\r\n\r\nsorry', ''],
])('the status 503 counts if %s', async (_what, rest, excerpt) => {
  const { outcome } = await send([`HTTP/1.1 503 No\r\n${rest}`]);
  expect(outcome).toEqual({ kind: 'responded', status: 503, retryAfterMs: null, excerpt });
});

test('a Retry-After counts even if the body is incomplete', async () => {
  const { outcome } = await send(['HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 9\r\n\r\nx']);
  expect(outcome).toMatchObject({ status: 429, retryAfterMs: 3000, excerpt: 'x' });
});

test.each([
  ['a header without a colon', 'retry-after: 3\r\nwhat is this\r\n\r\n'],
  ['the end of the headers missing', 'Retry-After : 3 \r\nx: y'],
  ['a wrong Content-Length', 'retry-after:3\r\nretry-after: 9\r\ncontent-length: x\r\n\r\n'],
  ['headers of 100 KB', `retry-after: 3\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`],
  ['bare line feeds', 'retry-after: 3\nx\n\n'],
])('a Retry-After counts even if what follows it is %s', async (_what, headers) => {
  for (const pieces of [[`HTTP/1.1 503 No\r\n${headers}`], ['HTTP/1.1 503 No\r\nretry-', headers.slice(6)]]) {
    if (pieces.length > 1 && !headers.startsWith('retry-')) continue;
    expect((await send(pieces)).outcome).toMatchObject({ status: 503, retryAfterMs: 3000 });
  }
});

test('a Retry-After in a body, or of a success, does not count', async () => {
  const { outcome } = await send(['HTTP/1.1 503 No\r\ncontent-length: x\r\n\r\nretry-after: 3\r\n']);
  expect(outcome).toMatchObject({ status: 503, retryAfterMs: null });
  const endpoint = { row: { timeoutMs: 60_000 }, signing: null, successStatuses: new Set([409]) };
  const pieces = ['HTTP/1.1 409 Known\r\nretry-after: 3\r\nx'];
  const known = await send(pieces, 'end', { endpoint } as unknown as Delivery);
  expect(known.outcome).toMatchObject({ status: 409, retryAfterMs: null });
});

const ENDLESS = 'transfer-encoding: chunked\r\n\r\n2\r\nok\r\n';
test.each([
  ['a 200 with a body that does not end', `${OK}${ENDLESS}`, { status: 200, excerpt: null }],
  ['a 200 with headers that do not end', `${OK}x: y\r\n`, { status: 200, excerpt: null }],
  [
    'a 503 with a body that does not end',
    `HTTP/1.1 503 No\r\nretry-after: 3\r\n${ENDLESS}`,
    { status: 503, excerpt: 'ok', retryAfterMs: 3000 },
  ],
  [
    'a 503 with headers that do not end',
    'HTTP/1.1 503 No\r\nretry-after: 3\r\n',
    { status: 503, retryAfterMs: 3000 },
  ],
])('%s frees its slot and its connection long before the attempt times out', async (_what, bytes, expected) => {
  let isClosed = false;
  const { url } = await startTcp((socket) => {
    socket.write(bytes);
    socket.once('close', () => {
      isClosed = true;
    });
  });
  const { outcome, durationMs } = await senderFor({ attemptTimeoutMs: 60_000 }).send(deliveryTo(url));
  expect(outcome).toMatchObject({ kind: 'responded', ...expected });
  expect(durationMs).toBeLessThan(60_000);
  await until(() => isClosed);
});

test('a body that drips does not hold its slot either', async () => {
  const { url } = await startTcp((socket) => {
    socket.on('error', () => {});
    socket.write(`${OK}transfer-encoding: chunked\r\n\r\n`);
    const timer = setInterval(() => socket.write('1\r\nx\r\n'), 20);
    socket.once('close', () => clearInterval(timer));
  });
  const { outcome } = await senderFor({ attemptTimeoutMs: 60_000 }).send(deliveryTo(url));
  expect(outcome).toMatchObject({ kind: 'responded', status: 200 });
});

test('a status in success_statuses is a success even if the headers are incomplete', async () => {
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
])('the status counts at the attempt timeout if the answer stops %s', async (_where, status, bytes) => {
  vi.useFakeTimers({ toFake: ['performance'] });
  let reached = false;
  const { url, open, connections } = await startTcp((socket) => {
    socket.write(bytes, () => {
      reached = true;
    });
  });
  const attempt = senderFor({ attemptTimeoutMs: 20_000 }).send(deliveryTo(url));
  await until(() => reached);
  // The bytes were written, but this process may not have read them yet.
  await roundTrip();
  vi.advanceTimersByTime(20_000);
  vi.useRealTimers();
  expect((await attempt).outcome).toMatchObject({ kind: 'responded', status });
  await until(() => open() === 0);
  // The endpoint is not dialed again for a request that is over.
  await roundTrip();
  expect(connections()).toBe(1);
});

test('the status counts if the attempt is aborted after it', async () => {
  let reached = false;
  const { url } = await startTcp((socket) => {
    socket.write(`${OK}content-length: 100\r\n\r\nhalf`, () => {
      reached = true;
    });
  });
  const sender = senderFor();
  const attempt = sender.send(deliveryTo(url));
  await until(() => reached);
  await roundTrip();
  sender.abortAll();
  expect((await attempt).outcome).toMatchObject({ kind: 'responded', status: 200 });
});
