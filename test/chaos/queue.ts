import { Header } from '../../src/core/message/nats-headers.ts';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { consumerInfo } from '../../src/nats/consumers/consumer-info.ts';
import type { ChaosQueue } from './run.ts';

export const STREAM = 'WEBHOOKS';
export const DURABLE = 'webhook-workers';
export const DEAD_LETTERS = `${STREAM}_DLQ`;
export const PARKED = `${STREAM}_PARKED`;

/** The waiting messages and the dead letters. */
export function chaosQueue(client: NatsClient): ChaosQueue {
  const deadLetterIds = new Set<string>();
  let readUpTo = 0;
  return {
    async waiting() {
      // The count of the stream is not used: after a full disk, nats-server may keep messages that are acked.
      const info = await consumerInfo(client, STREAM, DURABLE).catch(() => null);
      const parked = await client.manager.streams.info(PARKED).catch(() => null);
      if (info === null || parked === null) return null;
      return info.pending + info.ackPending + parked.state.messages;
    },
    async deadLetters() {
      const info = await client.manager.streams.info(DEAD_LETTERS).catch(() => null);
      for (let seq = readUpTo + 1; seq <= (info?.state.last_seq ?? 0); seq++) {
        const deadLetter = await client.manager.streams.getMessage(DEAD_LETTERS, { seq }).catch(() => null);
        if (deadLetter === null) break;
        deadLetterIds.add(deadLetter.header.get(Header.deliveryId));
        readUpTo = seq;
      }
      return deadLetterIds;
    },
  };
}
