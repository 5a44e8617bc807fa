import type { NatsClient } from './client.ts';
import { HandOut } from './hand-out.ts';
import { listParked } from './list-parked.ts';
import { ensureDrain } from './parked-drain.ts';
import { createPullConsumer } from './pull-consumer.ts';

export type ParkedQueuesOptions = {
  /** PARKED_STREAM_NAME. */
  readonly parkedStream: string;
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  /** The most messages that one pull asks for. */
  readonly maxBatch: number;
  /** Of a drain, in milliseconds. */
  ackWaitMs(): number;
  /** When the parked stream was made, in milliseconds since 1970: another one when it is made again. */
  streamCreated(): number;
  /** Whether it is still the one that is known. */
  isStreamKnown(): Promise<boolean>;
  /** Takes a parked copy, or one of somebody else's messages there. */
  take(copy: HandOut): void;
};

/** Who pulls from a queue. */
export type QueueOwner = {
  /** How many messages may come now. */
  free(): number;
  /** One came; `pending` more are to be handed out after it. */
  came(pending: number): void;
};

/** A drain pulls little at a time: two pulls keep it busy. */
const LANES = 2;

/** The queues of all endpoints in the parked stream: who has one, and what pulls from it. */
export function createParkedQueues(client: NatsClient, options: ParkedQueuesOptions) {
  const { parkedStream, sourceStream, maxBatch, take } = options;
  return {
    list: () => listParked(client, parkedStream, sourceStream),

    /** Pulls from the queue of an endpoint. Null where that is not possible now, which is said. */
    async open(endpointKey: string, { free, came }: QueueOwner) {
      const ensure = () =>
        ensureDrain(client, { parkedStream, sourceStream, endpointKey, ackWaitMs: options.ackWaitMs() });
      const drain = await ensure();
      if ('failed' in drain) {
        client.log.warn(drain.failed);
        return null;
      }
      const taken = (copy: HandOut) => {
        came(copy.pending);
        take(copy);
      };
      const consumer = createPullConsumer(
        client,
        {
          stream: parkedStream,
          durable: drain.name,
          streamCreated: options.streamCreated,
          maxBatch,
          limits: () => ({ batch: null, expiresMs: null }),
          // Its end, for want of pulls, is normal: it is made again.
          isKnown: async () => (await options.isStreamKnown()) && 'name' in (await ensure()),
          lanes: LANES,
          handOut: (message, created) => new HandOut(message, created, 'parked'),
        },
        { free, take: taken, handBack: taken },
      );
      consumer.start();
      return { credits: consumer.credits, wake: consumer.slotFreed, stop: consumer.stop };
    },
  };
}
