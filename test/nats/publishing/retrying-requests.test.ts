import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { RetryingRequests } from '../../../src/nats/publishing/retrying-requests.ts';

// The order of the timers within one turn of the event loop is the matter here, so the connection is one that only records.
let sent: string[];
let requests: RetryingRequests;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  sent = [];
  requests = new RetryingRequests({
    isConnected: () => true,
    closed: new Promise(() => {}),
    listen: () => () => {},
    connection: {
      isClosed: () => false,
      subscribe: () => ({ unsubscribe() {} }),
      publish: (subject: string) => sent.push(subject),
    },
  } as unknown as NatsClient);
});
afterEach(() => {
  requests.stop();
  vi.useRealTimers();
});

const send = (subject: string) =>
  requests.send({
    subject,
    data: new Uint8Array(),
    onReply: () => null,
    isExpired: () => false,
    onFailure() {},
  });
const endOfTurn = () => new Promise(setImmediate);

test('requests are sent at the end of the turn, in their order, except those that were cancelled', async () => {
  send('a');
  send('b')();
  send('c');
  expect(sent).toEqual([]);
  await endOfTurn();
  expect(sent).toEqual(['a', 'c']);
});

test('a request that the sweep has sent is not sent again at the end of the turn', async () => {
  send('a');
  vi.advanceTimersByTime(100);
  expect(sent).toEqual(['a']);
  await endOfTurn();
  expect(sent).toEqual(['a']);
});
