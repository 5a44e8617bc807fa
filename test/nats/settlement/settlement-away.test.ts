import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import type { ReceivedMessage } from '../../../src/nats/messages/received-message.ts';
import { createSettlement } from '../../../src/nats/settlement/settlement.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A settlement that holds one message, for which it says every 20 s, or every 10 s where it is ordered, that it has it still. */
function holdOne(orderingKey: string | null = null) {
  const server = {
    isConnected: true,
    trouble: null as string | null,
    reconnected: () => {},
    answer: () => {},
  };
  const said: string[] = [];
  const settlement = createSettlement({
    client: {
      isConnected: () => server.isConnected,
      connection: {
        flush: () =>
          new Promise<void>((resolve) => {
            server.answer = resolve;
          }),
      },
      listen({ onReconnect }: { onReconnect: () => void }) {
        server.reconnected = onReconnect;
        return () => {};
      },
    } as unknown as NatsClient,
    acks: {
      send: (_, word) => said.push(word.toString()),
      flush: () => Promise.resolve(true),
      problem: () => server.trouble,
      onAccepted: () => {},
    },
    deadLetters: { write: () => Promise.reject(new Error('not asked for')) },
    parkedWriter: {} as never,
    ackWaitMs: 60_000,
  });
  const message = { reply: '$JS.ACK.1', receivedAt: 0, orderingKey } as ReceivedMessage;
  settlement.hold(message);
  return { server, said, settlement, handOut: message };
}

test('what is held is reported as in progress every third of the ack wait', () => {
  const { said } = holdOne();
  vi.advanceTimersByTime(65_000);
  expect(said).toEqual(['+WPI', '+WPI', '+WPI']);
});

test('nothing piles up while NATS is away, and what is held is reported as soon as it is back', () => {
  const { server, said } = holdOne();
  server.isConnected = false;
  vi.advanceTimersByTime(3_600_000);
  expect(said).toEqual([]);
  server.isConnected = true;
  server.reconnected();
  expect(said).toEqual(['+WPI']);
});

test('an ordered one is ours for as long as NATS has heard of it, and may be with another worker after that', () => {
  const { server, said, settlement, handOut: message } = holdOne('webhooks.ordered.k');
  server.isConnected = false;
  vi.advanceTimersByTime(53_000);
  expect(settlement.isLeaseValid(message)).toBe(true);
  vi.advanceTimersByTime(7000);
  expect(settlement.isLeaseValid(message)).toBe(false);
  server.isConnected = true;
  server.reconnected();
  expect(said).toEqual([]);
});

test('an ordered one is ours for an attempt more only where NATS has heard of it lately', () => {
  const { settlement, handOut: message } = holdOne('webhooks.ordered.k');
  vi.advanceTimersByTime(20_000);
  expect(settlement.isLeaseValid(message, 30_000)).toBe(true);
  vi.advanceTimersByTime(5000);
  expect([settlement.isLeaseValid(message, 30_000), settlement.isLeaseValid(message)]).toEqual([false, true]);
});

test('an ordered one may have been on its way since the last ping that is answered was said', async () => {
  const { server, settlement } = holdOne();
  vi.advanceTimersByTime(500);
  server.answer();
  await Promise.resolve();
  vi.advanceTimersByTime(53_500);
  const late = {
    reply: '$JS.ACK.2',
    receivedAt: performance.now(),
    orderingKey: 'webhooks.ordered.k',
  } as ReceivedMessage;
  settlement.hold(late);
  expect(settlement.isLeaseValid(late)).toBe(true);
  vi.advanceTimersByTime(1000);
  expect(settlement.isLeaseValid(late)).toBe(false);
});

test('nothing piles up while NATS denies us its words', () => {
  const { server, said } = holdOne();
  server.trouble = 'denied';
  vi.advanceTimersByTime(3_600_000);
  expect(said).toEqual([]);
});
