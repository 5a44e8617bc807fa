import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { until } from '../support/wait.ts';
import { deliveryTo, roundTrip, senderFor, startTcp, startTcpServer } from './endpoints.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

/** A TCP server that passes each request to `talk`. `isFirst`: it is the first request of its connection. */
const startRaw = (talk: (socket: Socket, request: string, isFirst: boolean, connection: number) => void) =>
  startTcpServer((socket, connection) => {
    let isFirst = true;
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      // The body may arrive separately.
      if (!text.startsWith('POST ')) return;
      const wasFirst = isFirst;
      isFirst = false;
      talk(socket, text, wasFirst, connection);
    });
  });

/** An endpoint that answers the first request of each connection. `onReuse` handles each later request. */
async function startReusing(onReuse: (socket: Socket) => void) {
  let requests = 0;
  const endpoint = await startRaw((socket, _bytes, isFirst) => {
    requests++;
    if (isFirst) socket.write(OK);
    else onReuse(socket);
  });
  return { ...endpoint, requests: () => requests };
}

const responded = (status: number) => ({ kind: 'responded', status, retryAfterMs: null, excerpt: null });

/** The second attempt of a sender, on the connection of the first attempt. */
async function secondAttempt(url: string, sender = senderFor()) {
  expect(await sender.send(deliveryTo(url))).toMatchObject({ outcome: responded(200) });
  // undici needs a turn of the event loop before it uses a connection again.
  await roundTrip();
  return sender.send(deliveryTo(url));
}

describe('a kept connection that breaks before the first byte of the answer', () => {
  it.each([
    ['closes', (socket: Socket) => void socket.end()],
    ['destroys', (socket: Socket) => void socket.destroy()],
    ['resets', (socket: Socket) => void socket.resetAndDestroy()],
  ])('is replaced, and the request is sent once more, if the endpoint %s it', async (_how, onReuse) => {
    const { url, requests, connections, open } = await startReusing(onReuse);
    expect(await secondAttempt(url)).toMatchObject({ outcome: responded(200), wasResent: true });
    expect(requests()).toBe(3);
    expect(connections()).toBe(2);
    // The new connection serves no other request.
    await until(() => open() === 0);
  });

  it('is replaced, and the second request differs only in connection: close', async () => {
    const requests: string[] = [];
    const { url } = await startRaw((socket, bytes, isFirst) => {
      requests.push(bytes);
      if (isFirst) socket.write(OK);
      else socket.destroy();
    });
    expect(await secondAttempt(url)).toMatchObject({ outcome: responded(200), wasResent: true });
    const [, broken, again] = requests;
    expect(again).toBe(broken!.replace('connection: keep-alive', 'connection: close'));
    expect(again).toContain('connection: close');
  });

  it('is replaced only once per attempt', async () => {
    const { url, connections } = await startRaw((socket, _bytes, isFirst, connection) => {
      if (isFirst && connection === 1) socket.write(OK);
      else socket.destroy();
    });
    expect(await secondAttempt(url)).toMatchObject({ outcome: { kind: 'unreachable' }, wasResent: true });
    expect(connections()).toBe(2);
  });

  it('is replaced by a new connection, not by another kept connection', async () => {
    const { url, requests } = await startReusing((socket) => socket.destroy());
    const sender = senderFor();
    const send = () => Promise.all(Array.from({ length: 20 }, () => sender.send(deliveryTo(url))));
    for (const { outcome } of await send()) expect(outcome).toEqual(responded(200));
    await roundTrip();
    const attempts = await send();
    for (const attempt of attempts) expect(attempt.outcome).toEqual(responded(200));
    const resent = attempts.filter(({ wasResent }) => wasResent).length;
    expect(resent).toBeGreaterThan(0);
    expect(requests()).toBe(40 + resent);
  });

  it('makes the second request decide the outcome', async () => {
    const { url } = await startRaw((socket, _bytes, isFirst, connection) => {
      if (!isFirst) socket.destroy();
      else socket.write(connection === 1 ? OK : 'HTTP/1.1 503 No\r\ncontent-length: 5\r\n\r\nsorry');
    });
    expect(await secondAttempt(url)).toMatchObject({
      outcome: { kind: 'responded', status: 503, excerpt: 'sorry' },
      wasResent: true,
    });
  });

  it('makes the attempt fail with its error if no new connection can be made', async () => {
    let isGone = false;
    const { port } = await startReusing((socket) => {
      isGone = true;
      socket.destroy();
    });
    const sender = senderFor({
      resolve: (_hostname, _options, callback) => {
        // A machine without free file descriptors fails so. As an outcome, it would mean that nothing was sent.
        if (isGone) callback(Object.assign(new Error('EMFILE'), { code: 'EMFILE' }), []);
        else callback(null, [{ address: '127.0.0.1', family: 4 }]);
      },
    });
    const attempt = await secondAttempt(`http://hook.test:${port}/`, sender);
    expect(attempt.outcome).toMatchObject({ kind: 'unreachable', code: 'UND_ERR_SOCKET' });
    expect(attempt.wasResent).toBeUndefined();
  });

  it('does not prolong the attempt beyond its timeout', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    let isSilent = false;
    const { url, open } = await startRaw((socket, _bytes, isFirst, connection) => {
      if (!isFirst) socket.destroy();
      else if (connection === 1) socket.write(OK);
      else isSilent = true;
    });
    const attempt = secondAttempt(url);
    await until(() => isSilent);
    vi.advanceTimersByTime(20_000);
    expect(await attempt).toMatchObject({
      outcome: { kind: 'timedOut', phase: 'response', afterMs: 20_000 },
      wasResent: true,
    });
    await until(() => open() === 0);
  });
});

describe('a request is not sent again', () => {
  it('if its connection is new', async () => {
    const { url, connections } = await startTcp((socket) => socket.destroy());
    const attempt = await senderFor().send(deliveryTo(url));
    expect(attempt.outcome.kind).toBe('unreachable');
    expect(attempt.wasResent).toBeUndefined();
    expect(connections()).toBe(1);
  });

  it.each([
    'H',
    'HTTP/1.1 100 Continue\r\n\r\n',
    '\r\n',
  ])('if the answer has begun with %j', async (bytes) => {
    const { url, connections } = await startReusing((socket) => socket.end(bytes));
    const attempt = await secondAttempt(url);
    expect(attempt.outcome.kind).toBe('unreachable');
    expect(attempt.wasResent).toBeUndefined();
    expect(connections()).toBe(1);
  });

  it('if the attempt is aborted and the sender is closed', async () => {
    const { url, requests, connections } = await startReusing(() => {});
    const sender = senderFor();
    await sender.send(deliveryTo(url));
    await roundTrip();
    const attempts = [sender.send(deliveryTo(url))];
    await until(() => requests() === 2);
    sender.abortAll();
    await sender.close();
    for (const { outcome } of await Promise.all(attempts)) expect(outcome.kind).toBe('aborted');
    expect(connections()).toBe(1);
  });
});
