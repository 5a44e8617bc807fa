import { Header } from '../../src/core/message/nats-headers.ts';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { consumerInfo } from '../../src/nats/consumers/consumer-info.ts';
import type { ChaosQueue } from './run.ts';

export const STREAM = 'WEBHOOKS';
export const DURABLE = 'webhook-workers';
export const DEAD_LETTERS = `${STREAM}_DLQ`;
export const PARKED = `${STREAM}_PARKED`;

/** What waits, and what was given up. */
export function chaosQueue(client: NatsClient): ChaosQueue {
  const letters = new Set<string>();
  let readUpTo = 0;
  return {
    async waiting() {
      // Not the stream's own count: after a full disk, nats-server may keep messages that the durable has acked.
      const info = await consumerInfo(client, STREAM, DURABLE).catch(() => null);
      const parked = await client.manager.streams.info(PARKED).catch(() => null);
      if (info === null || parked === null) return null;
      return info.pending + info.ackPending + parked.state.messages;
    },
    async deadLetters() {
      const info = await client.manager.streams.info(DEAD_LETTERS).catch(() => null);
      for (let seq = readUpTo + 1; seq <= (info?.state.last_seq ?? 0); seq++) {
        const letter = await client.manager.streams.getMessage(DEAD_LETTERS, { seq }).catch(() => null);
        if (letter === null) break;
        letters.add(letter.header.get(Header.deliveryId));
        readUpTo = seq;
      }
      return letters;
    },
  };
}
