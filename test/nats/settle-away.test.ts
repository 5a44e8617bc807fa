import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { NatsClient } from '../../src/nats/client.ts';
import type { HandOut } from '../../src/nats/hand-out.ts';
import { createSettlement } from '../../src/nats/settle.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A settlement that holds one message, for which it says every 20 s that it has it still. */
function holdOne() {
  const server = { isConnected: true, trouble: null as string | null, reconnected: () => {} };
  const said: string[] = [];
  const settlement = createSettlement({
    client: {
      isConnected: () => server.isConnected,
      listen({ onReconnect }: { onReconnect: () => void }) {
        server.reconnected = onReconnect;
        return () => {};
      },
    } as unknown as NatsClient,
    acks: {
      say: (_, word) => said.push(word.toString()),
      drain: () => Promise.resolve(true),
      trouble: () => server.trouble,
    },
    deadLetters: { write: () => Promise.reject(new Error('not asked for')) },
    parking: {} as never,
    ackWaitMs: 60_000,
  });
  settlement.hold({ reply: '$JS.ACK.1', receivedAt: 0 } as HandOut);
  return { server, said };
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

test('nothing piles up while NATS denies us its words', () => {
  const { server, said } = holdOne();
  server.trouble = 'denied';
  vi.advanceTimersByTime(3_600_000);
  expect(said).toEqual([]);
});
