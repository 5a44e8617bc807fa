import { scheduledBucket } from '../../core/scheduled-queue.ts';
import type { NatsClient } from '../connection/client.ts';
import { parkedMessage } from '../messages/received-message.ts';
import { parkedSubject } from '../streams/copy-subjects.ts';
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

/** `stream`: PARKED_STREAM_NAME. `take` gets parked copies, and messages that other programs published to this stream. */
export type ParkedQueuesOptions = Omit<QueuesOptions, 'toMessage' | 'maxPulls'> & {
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  /** The ack wait of the queue consumers, in milliseconds. */
  ackWaitMs(): number;
};

/** A queue consumer needs few messages at a time: two open pull requests are enough to keep it busy. */
const MAX_PULLS = 2;

/** The queues of all endpoints in the parked stream: lists the queues that hold copies, and opens the consumers of queues. */
export function createParkedQueues(client: NatsClient, options: ParkedQueuesOptions) {
  const { stream: parkedStream, sourceStream, ackWaitMs } = options;
  const queues = { ...options, toMessage: parkedMessage, maxPulls: MAX_PULLS } as const;
  return {
    list: () => listParked(client, parkedStream, sourceStream),

    /** Opens a consumer of an endpoint's queue. Null, with a warning in the log, if that is not possible now. */
    async open(endpointKey: string, sink: QueueSink) {
      const ensure = () =>
        ensureParkedConsumer(client, { parkedStream, sourceStream, endpointKey, ackWaitMs: ackWaitMs() });
      const consumer = await pullQueue(client, queues, ensure, sink);
      if (!('failed' in consumer)) return consumer;
      const kind = scheduledBucket(endpointKey) === null ? 'parked' : 'scheduled';
      client.log.warn(
        { kind, stream: parkedStream, queue: endpointKey, error: consumer.failed, hint: OPENED_AGAIN },
        'queue.open_failed',
      );
      return null;
    },
  };
}

/**
 * Counts the parked copies per endpoint. The stream is the only source of which endpoints have parked messages, so no message
 * is forgotten over restarts.
 *
 * @param keys Which queues to list, a NATS subject filter that may hold wildcards. @default all
 * @returns null if the counts are unknown now: NATS cannot be reached, or the stream does not exist.
 */
export async function listParked(
  client: NatsClient,
  name: string,
  sourceStream: string,
  keys = '>',
): Promise<ReadonlyMap<string, number> | null> {
  const prefix = parkedSubject(sourceStream, '');
  const listed = await listSubjects(client, name, prefix + keys);
  return listed && new Map([...listed].map(([subject, count]) => [subject.slice(prefix.length), count]));
}

export type ParkedConsumerOptions = {
  /** PARKED_STREAM_NAME. */
  readonly parkedStream: string;
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  readonly endpointKey: string;
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
  const { parkedStream, sourceStream, endpointKey, ackWaitMs } = wanted;
  return ensureQueueConsumer(client, {
    stream: parkedStream,
    subject: parkedSubject(sourceStream, endpointKey),
    // A copy that another program published may have any key.
    name: consumerName(`drain-${sourceStream}-${endpointKey}`),
    purpose: `read the parked queue ${endpointKey} of ${parkedStream}`,
    ackWaitMs,
    maxAckPending:
      scheduledBucket(endpointKey) === null ? MAX_ACK_PENDING.ofEndpoint : MAX_ACK_PENDING.ofMinute,
    inactiveMs: INACTIVE_MS,
    // An existing durable was created by another worker, perhaps with another ACK_WAIT_MS.
    isUpdated: false,
  });
}
