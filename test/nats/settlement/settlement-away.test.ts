import { expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import type { ReceivedMessage } from '../../../src/nats/messages/received-message.ts';
import { createSettlement } from '../../../src/nats/settlement/settlement.ts';
import { HandClock } from '../../support/hand-clock.ts';

/** A settlement that holds one message. It reports the message as in progress every 20 s, or every 10 s if it is ordered. */
function holdOne(orderingKey: string | null = null) {
  const clock = new HandClock();
  const server = {
    isConnected: true,
    problem: null as string | null,
    reconnected: () => {},
    answer: () => {},
  };
  const sent: string[] = [];
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
      send: (_, ack) => sent.push(ack.toString()),
      flush: () => Promise.resolve(true),
      problem: () => server.problem,
      onAccepted: () => {},
    },
    deadLetters: { write: () => Promise.reject(new Error('not asked for')) },
    parkedWriter: {} as never,
    ackWaitMs: 60_000,
    clock,
  });
  const message = { reply: '$JS.ACK.1', receivedAt: 0, orderingKey } as ReceivedMessage;
  settlement.hold(message);
  return { clock, server, sent, settlement, message };
}

test('a held message is reported as in progress every third of the ack wait', () => {
  const { clock, sent } = holdOne();
  clock.advance(65_000);
  expect(sent).toEqual(['+WPI', '+WPI', '+WPI']);
});

test('no reports pile up while NATS is away, and a held message is reported as soon as NATS is back', () => {
  const { clock, server, sent } = holdOne();
  server.isConnected = false;
  clock.advance(3_600_000);
  expect(sent).toEqual([]);
  server.isConnected = true;
  server.reconnected();
  expect(sent).toEqual(['+WPI']);
});

test('the lease of an ordered message ends before NATS can give the message to another worker', () => {
  const { clock, server, sent, settlement, message } = holdOne('webhooks.ordered.k');
  server.isConnected = false;
  clock.advance(53_000);
  expect(settlement.isLeaseValid(message)).toBe(true);
  clock.advance(7000);
  expect(settlement.isLeaseValid(message)).toBe(false);
  server.isConnected = true;
  server.reconnected();
  expect(sent).toEqual([]);
});

test('the lease of an ordered message lasts for one more attempt only if NATS has confirmed it lately', () => {
  const { clock, settlement, message } = holdOne('webhooks.ordered.k');
  clock.advance(20_000);
  expect(settlement.isLeaseValid(message, 30_000)).toBe(true);
  clock.advance(5000);
  expect([settlement.isLeaseValid(message, 30_000), settlement.isLeaseValid(message)]).toEqual([false, true]);
});

test('the lease of an ordered message starts with the last answered PING, because NATS may have sent the message just after it', async () => {
  const { clock, server, settlement } = holdOne();
  clock.advance(500);
  server.answer();
  await Promise.resolve();
  clock.advance(53_500);
  const late = {
    reply: '$JS.ACK.2',
    receivedAt: clock.now(),
    orderingKey: 'webhooks.ordered.k',
  } as ReceivedMessage;
  settlement.hold(late);
  expect(settlement.isLeaseValid(late)).toBe(true);
  clock.advance(1000);
  expect(settlement.isLeaseValid(late)).toBe(false);
});

test('no reports pile up while NATS denies them', () => {
  const { clock, server, sent } = holdOne();
  server.problem = 'denied';
  clock.advance(3_600_000);
  expect(sent).toEqual([]);
});
