import { setTimeout as wait } from 'node:timers/promises';
import { isPublishable } from '../../core/subject.ts';
import type { NatsClient, NatsLog } from '../connection/client.ts';
import { orderedMessage, type ReceivedMessage } from '../messages/received-message.ts';
import { listSubjects } from '../streams/list-subjects.ts';
import { consumerName } from './consumer-name.ts';
import {
  ensureQueueConsumer,
  OPENED_AGAIN,
  pullQueue,
  type QueueConsumerResult,
  type QueueSink,
  type QueuesOptions,
} from './queue-consumer.ts';

/** `stream`: ORDERED_STREAM_NAME. */
export type OrderedQueuesOptions = Omit<QueuesOptions, 'toMessage' | 'maxPulls' | 'maxBatch'> & {
  /** ORDERED_SUBJECT. */
  readonly subjects: readonly string[];
  /** QUEUE_GROUP: each message that is published is told to one worker of it. */
  readonly group: string;
  /** Of the durables, in milliseconds. */
  ackWaitMs(): number;
};

/** How long a late ack may be on its way while its message is handed out again, in milliseconds. */
const LATE_ACK_MS = 25;

/** A queue that cannot be opened is spoken of now and then: thousands may be alike. In milliseconds. */
const LOG_AGAIN_MS = 60_000;

/** The queues of ordered webhooks, one for each subject: which ones hold something, and what pulls from them. */
export function createOrderedQueues(client: NatsClient, options: OrderedQueuesOptions) {
  const { stream } = options;
  // Of one queue, one message is out at a time.
  const queues = { ...options, toMessage: orderedMessage, maxPulls: 1, maxBatch: 1 } as const;
  let quietUntil = 0;

  function say(fields: Parameters<NatsLog['warn']>[0], event: string): void {
    if (performance.now() < quietUntil) return;
    quietUntil = performance.now() + LOG_AGAIN_MS;
    client.log.warn({ kind: 'ordered', stream, ...fields }, event);
  }

  return {
    /** Messages by subject: the only source of who has any. Null where that cannot be known now. */
    async list(): Promise<ReadonlyMap<string, number> | null> {
      const listed = await listSubjects(client, stream, '>');
      for (const subject of listed?.keys() ?? []) {
        if (isPublishable(subject)) continue;
        // Its durable would take what others have.
        listed!.delete(subject);
        const hint = `The subject ${subject} is a pattern, so the worker leaves its messages in the stream ${stream}. Remove these messages.`;
        say({ subject, hint }, 'queue.invalid_subject');
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
    async isOver({ orderingKey, position, deliveryCount }: ReceivedMessage): Promise<boolean> {
      if (orderingKey === null || deliveryCount === 1) return false;
      await wait(LATE_ACK_MS);
      const info = await client.manager.consumers
        .info(stream, orderedConsumerName(orderingKey))
        .catch(() => null);
      return info !== null && info.ack_floor.stream_seq >= position.sequence;
    },

    /** Pulls from a queue. Null where that is not possible now, which is said. */
    async open(subject: string, sink: QueueSink) {
      const ensure = () => ensureOrderedConsumer(client, { stream, subject, ackWaitMs: options.ackWaitMs() });
      const consumer = await pullQueue(client, queues, ensure, sink);
      if (!('failed' in consumer)) return consumer;
      say({ queue: subject, error: consumer.failed, hint: OPENED_AGAIN }, 'queue.open_failed');
      return null;
    },
  };
}

export type OrderedConsumerOptions = {
  /** ORDERED_STREAM_NAME. */
  readonly stream: string;
  readonly subject: string;
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

/**
 * How much longer than the ack wait the server keeps a durable that nobody pulls from, in milliseconds. Our words about a message
 * count as life, and while we hold one they come more often than that: a durable that vanished under a message would be made
 * again, and hand out that message a second time, while the first one is with a worker.
 */
const INACTIVE_GRACE_MS = 20_000;

export function orderedConsumerName(subject: string): string {
  return consumerName(`ordered-${subject}`);
}

/**
 * The durable of one ordered subject. It lets one message out at a time, to whichever worker: the next one comes when that is
 * acked or ended, whatever happens meanwhile.
 */
export function ensureOrderedConsumer(
  client: NatsClient,
  { stream, subject, ackWaitMs }: OrderedConsumerOptions,
): Promise<QueueConsumerResult> {
  return ensureQueueConsumer(client, {
    stream,
    subject,
    name: orderedConsumerName(subject),
    purpose: `take ${subject} from ${stream}`,
    ackWaitMs,
    maxAckPending: 1,
    inactiveMs: ackWaitMs + INACTIVE_GRACE_MS,
    // It may be of before ACK_WAIT_MS changed, or of somebody who lets out more than one: order rests on these values.
    isUpdated: true,
  });
}
