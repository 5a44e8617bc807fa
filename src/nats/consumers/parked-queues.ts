import { scheduledBucket } from '../../core/scheduled-queue.ts';
import type { NatsClient } from '../connection/client.ts';
import { parkedMessage } from '../messages/received-message.ts';
import {
  type CopyOwner,
  DEFAULT_GROUP,
  groupPrefix,
  isOfNamedGroup,
  parkedSubject,
} from '../streams/copy-subjects.ts';
import { listSubjects } from '../streams/list-subjects.ts';
import { consumerName } from './consumer-name.ts';
import { EarlierCopies } from './earlier-copies.ts';
import {
  ensureQueueConsumer,
  OPENED_AGAIN,
  pullQueue,
  type QueueConsumerResult,
  type QueueSink,
  type QueuesOptions,
  together,
} from './queue-consumer.ts';

/** `stream`: PARKED_STREAM_NAME. `take` gets parked copies, and messages that other programs published to this stream. */
export type ParkedQueuesOptions = Omit<QueuesOptions, 'toMessage' | 'maxPulls'> & {
  readonly owner: CopyOwner;
  /** The ack wait of the queue consumers, in milliseconds. */
  ackWaitMs(): number;
};

/** A queue consumer needs few messages at a time: two open pull requests are enough to keep it busy. */
const MAX_PULLS = 2;

/** The queues of all endpoints in the parked stream: lists the queues that hold copies, and opens the consumers of queues. */
export function createParkedQueues(client: NatsClient, options: ParkedQueuesOptions) {
  const { stream: parkedStream, owner, ackWaitMs } = options;
  const queues = { ...options, toMessage: parkedMessage, maxPulls: MAX_PULLS } as const;
  const earlier = new EarlierCopies(client, parkedStream, owner);
  return {
    async list(): Promise<ReadonlyMap<string, number> | null> {
      const own = await listParked(client, parkedStream, owner);
      if (own === null || owner.group === DEFAULT_GROUP) return own;
      const counts = new Map(own);
      for (const [key, count] of await earlier.list()) counts.set(key, (counts.get(key) ?? 0) + count);
      return counts;
    },

    /** Opens a consumer of an endpoint's queue. Null, with a warning in the log, if that is not possible now. */
    async open(queueKey: string, sink: QueueSink) {
      if (!earlier.has(queueKey)) return pull(owner, queueKey, sink);
      // All named groups share the durable of the copies without a group. Each durable may take what the sink can take: a probe of one
      // durable would wait for messages while the other one has them. What is too much is parked again.
      const ungrouped = { ...owner, group: DEFAULT_GROUP };
      return together([
        await pull(owner, queueKey, sink),
        await pull(ungrouped, queueKey, earlier.only(sink)),
      ]);
    },
  };

  async function pull(of: CopyOwner, queueKey: string, sink: QueueSink) {
    const ensure = () =>
      ensureParkedConsumer(client, { parkedStream, owner: of, queueKey, ackWaitMs: ackWaitMs() });
    const consumer = await pullQueue(client, queues, ensure, sink);
    if (!('failed' in consumer)) return consumer;
    const kind = scheduledBucket(queueKey) === null ? 'parked' : 'scheduled';
    client.log.warn(
      { kind, stream: parkedStream, queue: queueKey, error: consumer.failed, hint: OPENED_AGAIN },
      'queue.open_failed',
    );
    return null;
  }
}

/**
 * Counts the parked copies of a group per queue. The stream is the only source of which endpoints have parked messages, so no message
 * is forgotten over restarts.
 *
 * @param keys Which queues to list, a NATS subject filter that may hold wildcards. @default all
 * @returns null if the counts are unknown now: NATS cannot be reached, or the stream does not exist.
 */
export async function listParked(
  client: NatsClient,
  stream: string,
  owner: CopyOwner,
  keys = '>',
): Promise<ReadonlyMap<string, number> | null> {
  const prefix = parkedSubject(owner, '');
  const listed = await listSubjects(client, stream, prefix + keys);
  if (listed === null) return null;
  const counts = [...listed].map(([subject, count]) => [subject.slice(prefix.length), count] as const);
  return new Map(counts.filter(([key]) => !isOfNamedGroup(key)));
}

export type ParkedConsumerOptions = {
  /** PARKED_STREAM_NAME. */
  readonly parkedStream: string;
  readonly owner: CopyOwner;
  readonly queueKey: string;
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

/**
 * How many delivered copies may be unacked: of one endpoint, and of the messages that are due within one minute, which all wait
 * unacked until their second. At the limit, the durable delivers nothing more.
 */
const MAX_ACK_PENDING = { ofEndpoint: 10_000, ofMinute: 100_000 };

/**
 * How long the server keeps a queue consumer without pull requests, in milliseconds. Above: the server removes the consumer;
 * nothing is lost, because the next consumer of the queue finds every copy in the stream.
 */
const INACTIVE_MS = 20_000;

/** Creates the durable that all workers share for the copies of one queue: of one endpoint, or due within one minute or day. */
export function ensureParkedConsumer(
  client: NatsClient,
  wanted: ParkedConsumerOptions,
): Promise<QueueConsumerResult> {
  const { parkedStream, owner, queueKey, ackWaitMs } = wanted;
  return ensureQueueConsumer(client, {
    stream: parkedStream,
    subject: parkedSubject(owner, queueKey),
    // A copy that another program published may have any key.
    name: consumerName(`drain-${owner.sourceStream}-${groupPrefix(owner.group)}${queueKey}`),
    purpose: `read the parked queue ${queueKey} of ${parkedStream}`,
    ackWaitMs,
    maxAckPending: scheduledBucket(queueKey) === null ? MAX_ACK_PENDING.ofEndpoint : MAX_ACK_PENDING.ofMinute,
    inactiveMs: INACTIVE_MS,
    // An existing durable was created by another worker, perhaps with another ACK_WAIT_MS.
    isUpdated: false,
  });
}
