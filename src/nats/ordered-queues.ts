import { setTimeout as wait } from 'node:timers/promises';
import type { NatsClient } from './client.ts';
import { HandOut } from './hand-out.ts';
import { listSubjects } from './list-subjects.ts';
import { ensureOrderedDurable, orderedDurableName } from './ordered-durable.ts';
import { createPullConsumer } from './pull-consumer.ts';
import { isPublishable } from './subjects.ts';

export type OrderedQueuesOptions = {
  /** ORDERED_STREAM_NAME. */
  readonly stream: string;
  /** ORDERED_SUBJECT. */
  readonly subjects: readonly string[];
  /** QUEUE_GROUP: each message that is published is told to one worker of it. */
  readonly group: string;
  /** Of the durables, in milliseconds. */
  ackWaitMs(): number;
  /** When the stream was made, in milliseconds since 1970: another one when it is made again. */
  streamCreated(): number;
  /** Whether it is still the one that is known. */
  isStreamKnown(): Promise<boolean>;
  take(message: HandOut): void;
};

/** Who pulls from a queue. */
export type OrderedOwner = {
  /** How many messages may come now: more than one never does. */
  free(): number;
  /** One came; `pending` more are to be handed out after it. */
  came(pending: number): void;
};

/** How long a late ack may be on its way while its message is handed out again, in milliseconds. */
const LATE_MS = 25;
/** A queue that cannot be opened is spoken of now and then: thousands may be alike. In milliseconds. */
const SAY_AGAIN_MS = 60_000;

/** The queues of ordered webhooks, one for each subject: which ones hold something, and what pulls from them. */
export function createOrderedQueues(client: NatsClient, options: OrderedQueuesOptions) {
  const { stream, take } = options;
  let quietUntil = 0;

  function say(what: string): void {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + SAY_AGAIN_MS;
    client.log.warn(what);
  }

  return {
    /** Messages by subject: the only source of who has any. Null where that cannot be known now. */
    async list(): Promise<ReadonlyMap<string, number> | null> {
      const listed = await listSubjects(client, stream, '>');
      for (const subject of listed?.keys() ?? []) {
        if (isPublishable(subject)) continue;
        // Its durable would take what others have.
        listed!.delete(subject);
        say(`stream ${stream} holds messages on ${subject}, which is a pattern: they are left there`);
      }
      return listed;
    },

    /**
     * Tells of each message, as it is published, one worker of the group. Not of all: what nobody heard is found when the queues
     * are listed.
     *
     * @returns what ends it.
     */
    listen(noticed: (subject: string) => void): () => void {
      const subscriptions = options.subjects.map((pattern) =>
        client.connection.subscribe(pattern, {
          queue: options.group,
          callback: (error, { subject }) => {
            // Without the right to hear of them, which is said, they are found by the next list.
            if (error === null) noticed(subject);
          },
        }),
      );
      return () => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      };
    },

    /**
     * Whether a message that was handed out before is acked by now: whoever had it was late, or NATS was, and the next message is
     * out already. False where that cannot be known.
     */
    async isOver({ queue, place, handOuts }: HandOut): Promise<boolean> {
      if (queue === null || handOuts === 1) return false;
      await wait(LATE_MS);
      const info = await client.manager.consumers.info(stream, orderedDurableName(queue)).catch(() => null);
      return info !== null && info.ack_floor.stream_seq >= place.sequence;
    },

    /** Pulls from a queue. Null where that is not possible now, which is said. */
    async open(subject: string, { free, came }: OrderedOwner) {
      const ensure = () => ensureOrderedDurable(client, { stream, subject, ackWaitMs: options.ackWaitMs() });
      const durable = await ensure();
      if ('failed' in durable) {
        say(durable.failed);
        return null;
      }
      const taken = (message: HandOut) => {
        came(message.pending);
        take(message);
      };
      const consumer = createPullConsumer(
        client,
        {
          stream,
          durable: durable.name,
          streamCreated: options.streamCreated,
          maxBatch: 1,
          limits: () => ({ batch: null, expiresMs: null }),
          // Its end, for want of pulls, is normal: it is made again.
          isKnown: async () => (await options.isStreamKnown()) && 'name' in (await ensure()),
          lanes: 1,
          handOut: (message, created) => new HandOut(message, created, 'ordered'),
        },
        { free, take: taken, handBack: taken },
      );
      consumer.start();
      return { credits: consumer.credits, wake: consumer.slotFreed, stop: consumer.stop };
    },
  };
}
