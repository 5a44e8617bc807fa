import type { Settings } from '../../config/settings.ts';
import type { Outlook } from '../../load/await-arrivals.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { consumerInfo } from '../../nats/consumers/consumer-info.ts';
import { deadLettersAfter, lastSequenceOf } from '../../nats/streams/read-dead-letters.ts';
import type { OutboxOfRun } from './outbox-of-run.ts';

/** How many dead letters are read at most to find those of a run. */
const DEAD_LETTERS_READ = 20_000;

/** What NATS says about the group of workers that delivers a run. */
export interface Group {
  look(): Promise<Outlook>;
  /** What is known of messages that did not arrive: dead letters since the group was opened, and rows in the outbox. By the id of the delivery. */
  fates(): Promise<ReadonlyMap<string, string>>;
}

/** @param outbox Null: the run does not use it. */
export async function openGroup(
  client: NatsClient,
  settings: Settings,
  outbox: OutboxOfRun | null,
): Promise<Group> {
  const { STREAM_NAME, QUEUE_GROUP, DLQ_STREAM_NAME, PARKED_STREAM_NAME, ORDERED_STREAM_NAME } = settings;
  const deadLettersBefore = (await lastSequenceOf(client, DLQ_STREAM_NAME)) ?? 0;

  async function messagesIn(stream: string): Promise<number> {
    return (await client.manager.streams.info(stream)).state.messages;
  }

  return {
    async look() {
      const enqueued = outbox === null ? 0 : await outbox.waiting();
      try {
        const progress = await consumerInfo(client, STREAM_NAME, QUEUE_GROUP);
        if (progress === null) return { openPulls: 0, ackPending: 0, stored: null, enqueued };
        const { openPulls, pending, ackPending } = progress;
        const others = await Promise.all([PARKED_STREAM_NAME, ORDERED_STREAM_NAME].map(messagesIn));
        return {
          openPulls,
          ackPending,
          stored: others.reduce((sum, count) => sum + count, pending + ackPending),
          enqueued,
        };
      } catch {
        // NATS does not answer now, or a stream does not exist yet.
        return { openPulls: null, ackPending: null, stored: null, enqueued };
      }
    },
    async fates() {
      const found = new Map(await outbox?.fates());
      const read = deadLettersAfter(client, DLQ_STREAM_NAME, deadLettersBefore, DEAD_LETTERS_READ);
      for await (const { deliveryId, reason, detail } of read)
        found.set(deliveryId, `dead letter ${reason}: ${detail}`);
      return found;
    },
  };
}
