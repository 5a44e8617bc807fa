import { expect, test } from 'vitest';
import { deliveryTo, roundTrip, senderFor, startProxy, startTcp } from './endpoints.ts';

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

test.each([
  ['an interim answer', `HTTP/1.1 100 Continue\r\n\r\n${OK}`],
  ['an invalid Content-Length', 'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n'],
])('the status counts if an answer through the proxy has %s', async (_what, bytes) => {
  const { port } = await startTcp((socket) => socket.write(bytes));
  const proxy = await startProxy(port);
  const { outcome } = await senderFor({ egressProxy: proxy.url }).send(deliveryTo('http://hook.test/'));
  expect(outcome).toEqual({ kind: 'responded', status: 200, retryAfterMs: null, excerpt: null });
});

test('a tunnel that breaks on its second request is replaced', async () => {
  const { port } = await startTcp((socket) => {
    socket.write(OK);
    socket.on('data', () => socket.destroy());
  });
  const proxy = await startProxy(port);
  const sender = senderFor({ egressProxy: proxy.url });
  // Without a body, each request arrives in one piece.
  const delivery = deliveryTo('http://hook.test/', { method: 'GET', body: null });
  expect(await sender.send(delivery)).toMatchObject({ outcome: { kind: 'responded' } });
  await roundTrip();
  const attempt = await sender.send(delivery);
  expect(attempt).toMatchObject({ outcome: { kind: 'responded', status: 200 }, wasResent: true });
  expect(proxy.asked.length).toBe(2);
});
