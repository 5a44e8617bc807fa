import type { NatsClient } from './connection/client.ts';
import { createPullConsumer } from './consumers/pull-consumer.ts';
import type { QueueDurable } from './consumers/queue-consumer.ts';
import { type HandedOutBy, HandOut } from './messages/received-message.ts';

/** Who pulls from a queue. */
export type QueueOwner = {
  /** How many messages may come now. */
  free(): number;
  /** One came; `pending` more are to be handed out after it. */
  came(pending: number): void;
};

/** Of all queues that one stream holds. */
export type QueuesOptions = {
  readonly stream: string;
  readonly by: Exclude<HandedOutBy, 'stream'>;
  /** The most messages that one pull asks for. */
  readonly maxBatch: number;
  /** How many pulls may be under way at once. */
  readonly lanes: number;
  /** When the stream was made, in milliseconds since 1970: another one when it is made again. */
  streamCreated(): number;
  /** Whether it is still the one that is known. */
  isStreamKnown(): Promise<boolean>;
  take(message: HandOut): void;
};

/**
 * Pulls from one queue of a stream, by a durable that is made on demand.
 *
 * @param ensure Makes the durable, or finds it.
 * @returns why that is not possible now, where it is not.
 */
export async function pullQueue(
  client: NatsClient,
  { stream, by, maxBatch, lanes, streamCreated, isStreamKnown, take }: QueuesOptions,
  ensure: () => Promise<QueueDurable>,
  { free, came }: QueueOwner,
) {
  const durable = await ensure();
  if ('failed' in durable) return durable;
  const taken = (message: HandOut) => {
    came(message.pending);
    take(message);
  };
  const consumer = createPullConsumer(
    client,
    {
      stream,
      durable: durable.name,
      streamCreated,
      maxBatch,
      limits: () => ({ batch: null, expiresMs: null }),
      // Its end, for want of pulls, is normal: it is made again.
      isKnown: async () => (await isStreamKnown()) && 'name' in (await ensure()),
      lanes,
      handOut: (message, created) => new HandOut(message, created, by),
    },
    { free, take: taken, handBack: taken },
  );
  consumer.start();
  return { credits: consumer.credits, wake: consumer.slotFreed, stop: consumer.stop };
}
