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

/** `stream`: PARKED_STREAM_NAME. */
export type ParkedQueuesOptions = Omit<QueuesOptions, 'toMessage' | 'maxPulls'> & {
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  /** Of a drain, in milliseconds. */
  ackWaitMs(): number;
};

/** A drain pulls little at a time: two pulls keep it busy. */
const MAX_PULLS = 2;

/** The queues of all endpoints in the parked stream: who has one, and what pulls from it. */
export function createParkedQueues(client: NatsClient, options: ParkedQueuesOptions) {
  const { stream: parkedStream, sourceStream, ackWaitMs } = options;
  const queues = { ...options, toMessage: parkedMessage, maxPulls: MAX_PULLS } as const;
  return {
    list: () => listParked(client, parkedStream, sourceStream),

    /** Pulls from the queue of an endpoint. Null where that is not possible now, which is said. */
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
 * How many copies wait for each endpoint: the only source of who has any, so nothing is forgotten over restarts.
 *
 * @param keys Of which queues, as NATS has it with wildcards. @default all
 * @returns null where it cannot be known now: NATS is away, or the stream is not there.
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

/** Handed out and not yet acked, by one endpoint; and of what is due within one minute, which all waits for its second. */
const MAX_ACK_PENDING = { ofEndpoint: 10_000, ofMinute: 100_000 };

/** How long the server keeps a drain that nobody pulls from. It holds nothing that the next one would not find in the stream. */
const INACTIVE_MS = 20_000;

/** The durable from which all workers drain what is parked for one endpoint, or is due within one minute or day. */
export function ensureParkedConsumer(
  client: NatsClient,
  wanted: ParkedConsumerOptions,
): Promise<QueueConsumerResult> {
  const { parkedStream, sourceStream, endpointKey, ackWaitMs } = wanted;
  return ensureQueueConsumer(client, {
    stream: parkedStream,
    subject: parkedSubject(sourceStream, endpointKey),
    // What somebody else parked may have any key.
    name: consumerName(`drain-${sourceStream}-${endpointKey}`),
    purpose: `drain ${endpointKey} from ${parkedStream}`,
    ackWaitMs,
    maxAckPending:
      scheduledBucket(endpointKey) === null ? MAX_ACK_PENDING.ofEndpoint : MAX_ACK_PENDING.ofMinute,
    inactiveMs: INACTIVE_MS,
    // A peer made it, with another ACK_WAIT_MS.
    isUpdated: false,
  });
}
