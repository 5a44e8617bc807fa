import type { StoredMsg } from 'nats';
import { Header } from '../../src/core/message/nats-headers.ts';
import type { NatsClient } from '../../src/nats/connection/client.ts';
import { consumerInfo } from '../../src/nats/consumers/consumer-info.ts';
import type { Evidence } from './evidence.ts';

export const STREAM = 'WEBHOOKS';
export const DURABLE = 'webhook-workers';
export const DEAD_LETTERS = `${STREAM}_DLQ`;
export const PARKED = `${STREAM}_PARKED`;
const ORDERED = `${STREAM}_ORDERED`;

/** How many dead letters are read at once. */
const BATCH = 50;

/** The queues of the workers in NATS. */
export interface ChaosQueue {
  /** Messages that wait for a worker, a retry, capacity or their time; null if NATS does not answer now. */
  waiting(): Promise<number | null>;
  /** Reads and records the new dead letters. Resolves to the ids of all dead letters so far. */
  deadLetters(): Promise<ReadonlySet<string>>;
}

export function chaosQueue(client: NatsClient, evidence: Pick<Evidence, 'deadLetter'>): ChaosQueue {
  const ids = new Set<string>();
  let readUpTo = 0;

  const messagesIn = async (stream: string) => (await client.manager.streams.info(stream)).state.messages;
  const deadLetter = (seq: number) =>
    client.manager.streams.getMessage(DEAD_LETTERS, { seq }).catch(() => null);

  return {
    async waiting() {
      try {
        // The count of the stream is not used: after a full disk, nats-server may keep messages that are acked.
        const { pending, ackPending } = (await consumerInfo(client, STREAM, DURABLE))!;
        return pending + ackPending + (await messagesIn(ORDERED)) + (await messagesIn(PARKED));
      } catch {
        return null;
      }
    },
    async deadLetters() {
      const info = await client.manager.streams.info(DEAD_LETTERS).catch(() => null);
      const last = info?.state.last_seq ?? 0;
      while (readUpTo < last) {
        const count = Math.min(BATCH, last - readUpTo);
        const batch = await Promise.all(
          Array.from({ length: count }, (_, n) => deadLetter(readUpTo + 1 + n)),
        );
        for (const message of batch) {
          // Read again at the next look.
          if (message === null) return ids;
          const id = message.header.get(Header.deliveryId);
          evidence.deadLetter({ id, ...readDeadLetter(message) });
          ids.add(id);
          readUpTo++;
        }
      }
      return ids;
    },
  };
}

function readDeadLetter({ header, data }: StoredMsg) {
  const { webhook_url: url } = JSON.parse(Buffer.from(data).toString()) as { webhook_url: string };
  return {
    endpoint: url,
    reason: header.get(Header.deadLetterReason),
    attempts: Number(header.get(Header.attempts)),
  };
}
