import { setTimeout as wait } from 'node:timers/promises';
import type { Subscription } from 'nats';
import { isPublishable, lastToken } from '../../core/subject.ts';
import { printable } from '../../runtime/printable.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { NatsClient, NatsLog } from '../connection/client.ts';
import { orderedMessage, type ReceivedMessage } from '../messages/received-message.ts';
import { orderedCopySubject } from '../streams/copy-subjects.ts';
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
  /** STREAM_NAME: part of the subjects of copies. */
  readonly sourceStream: string;
  /** ORDERED_SUBJECT. */
  readonly subjects: readonly string[];
  /** QUEUE_GROUP: one worker of the group is notified of each published message. */
  readonly group: string;
  /** The ack wait of the durables, in milliseconds. */
  ackWaitMs(): number;
};

/** How long a late ack may take to arrive after the redelivery of its message, in milliseconds. */
const LATE_ACK_MS = 25;

/**
 * After this time the worker subscribes again to what our user had no right to, in milliseconds. The client gives such a subscription
 * up. Below: nats-server logs an error each time. Above: messages are found later after the right is granted.
 */
const SUBSCRIBE_AGAIN_MS = 30_000;

/** Shortest time between two warnings about these queues, in milliseconds: thousands of queues may fail for one reason. */
const LOG_AGAIN_MS = 60_000;

/** The queues of ordered webhooks, one per subject: lists the queues that hold messages, and opens the consumers of queues. */
export function createOrderedQueues(client: NatsClient, options: OrderedQueuesOptions) {
  const { stream } = options;
  // Only one message of a queue may be in delivery at a time.
  const queues = { ...options, toMessage: orderedMessage, maxPulls: 1, maxBatch: 1 } as const;
  const problem = new ProblemLog({ againAfterMs: LOG_AGAIN_MS });

  function say(fields: Parameters<NatsLog['warn']>[0], event: string): void {
    problem.report(() => client.log.warn({ kind: 'ordered', stream, ...fields }, event));
  }

  function sayInvalid(subject: string, why: string): void {
    const hint = `The subject ${printable(subject)} ${why}, so the worker leaves its messages in the stream ${stream}. Remove these messages.`;
    say({ subject, hint }, 'queue.invalid_subject');
  }

  return {
    /** Counts the messages per subject: the only source of which queues hold messages. Null if the counts are unknown now. */
    async list(): Promise<ReadonlyMap<string, number> | null> {
      const listed = await listSubjects(client, stream, '>');
      for (const subject of listed?.keys() ?? []) {
        // The server lists a subject that is not UTF-8 with this character. No durable can name such a subject.
        const isText = !subject.includes('\ufffd');
        if (isText && isPublishable(subject)) continue;
        // The durable of a pattern would also take the messages of other queues.
        listed!.delete(subject);
        sayInvalid(subject, isText ? 'is a pattern' : 'is not UTF-8');
      }
      return listed;
    },

    /**
     * The endpoint keys for which copies of messages on the subject wait. Null if this is unknown. The leader of the stream answers,
     * so that none is missed.
     */
    async keysWithCopies(subject: string): Promise<readonly string[] | null> {
      const listed = await listSubjects(
        client,
        stream,
        orderedCopySubject(options.sourceStream, subject, '*'),
      );
      return listed && [...listed.keys()].map(lastToken);
    },

    /**
     * Notifies one worker of the group of each message when the message is published. Some notifications are lost; the next
     * `list` finds their messages.
     *
     * @returns a function that ends the notifications.
     */
    listen(noticed: (subject: string) => void): () => void {
      const subscriptions = options.subjects.map((pattern) => {
        let timer: NodeJS.Timeout | undefined;
        const subscribe = (): Subscription =>
          client.connection.subscribe(pattern, {
            queue: options.group,
            callback: (error, { subject }) => {
              // A denied permission to subscribe is logged elsewhere. Meanwhile, the next list finds the messages.
              if (error !== null) {
                clearTimeout(timer);
                timer = setTimeout(again, SUBSCRIBE_AGAIN_MS).unref();
              }
              // NATS delivers its messages to no consumer of this subject, and never lists them.
              else if (subject.includes('\x7f')) sayInvalid(subject, 'has the byte 0x7f (DEL)');
              else noticed(subject);
            },
          });
        let subscription = subscribe();
        function again(): void {
          if (!client.connection.isClosed()) subscription = subscribe();
        }
        return () => {
          clearTimeout(timer);
          subscription.unsubscribe();
        };
      });
      return () => {
        for (const unsubscribe of subscriptions) unsubscribe();
      };
    },

    /**
     * True if a redelivered message is acked by now: its first worker or NATS was late, and NATS has delivered the next message
     * already. False if this is unknown.
     */
    async isOver({ orderingKey, position, deliveryCount }: ReceivedMessage): Promise<boolean> {
      if (orderingKey === null || deliveryCount === 1) return false;
      await wait(LATE_ACK_MS);
      const info = await client.manager.consumers
        .info(stream, orderedConsumerName(orderingKey))
        .catch(() => null);
      return info !== null && info.ack_floor.stream_seq >= position.sequence;
    },

    /** Opens a consumer of a queue. Null, with a warning in the log, if that is not possible now. */
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
 * How much longer than the ack wait the server keeps a durable without pull requests, in milliseconds. An ack or a `working()`
 * also keeps the durable, and a worker that holds a message sends one more often than that. Below: the server could remove the
 * durable while a worker holds a message; a recreated durable would deliver that message a second time. Above: unused
 * durables stay longer on the server.
 */
const INACTIVE_GRACE_MS = 20_000;

function orderedConsumerName(subject: string): string {
  return consumerName(`ordered-${subject}`);
}

/**
 * Creates or updates the durable of one ordered subject. The durable delivers one message at a time, to any worker. The next
 * message comes only after an ack or term of the first one, whatever happens in between.
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
    // An existing durable may have an older ACK_WAIT_MS, or a max_ack_pending above 1: the order depends on these values.
    isUpdated: true,
  });
}
