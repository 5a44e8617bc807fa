import { scheduledBucket } from '../../core/scheduled-queue.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
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
  /** Copies of this stream whose subject names no group are of this group. Null: not known yet. */
  let hasUngrouped = owner.group === DEFAULT_GROUP ? true : null;
  return {
    async list(): Promise<ReadonlyMap<string, number> | null> {
      hasUngrouped ??= await isWithoutDefaultGroup(client, owner);
      return listParked(client, parkedStream, owner, { hasUngrouped: hasUngrouped ?? false });
    },

    /** Opens a consumer of an endpoint's queue. Null, with a warning in the log, if that is not possible now. */
    async open(queueKey: string, sink: QueueSink) {
      const ensure = () =>
        ensureParkedConsumer(client, {
          parkedStream,
          owner,
          queueKey,
          isUngroupedToo: hasUngrouped ?? false,
          ackWaitMs: ackWaitMs(),
        });
      const consumer = await pullQueue(client, queues, ensure, sink);
      if (!('failed' in consumer)) return consumer;
      const kind = scheduledBucket(queueKey) === null ? 'parked' : 'scheduled';
      client.log.warn(
        { kind, stream: parkedStream, queue: queueKey, error: consumer.failed, hint: OPENED_AGAIN },
        'queue.open_failed',
      );
      return null;
    },
  };
}

/**
 * True if the durable of the default group is not on the stream. Then a copy without a group in its subject is one that an earlier
 * version of this group stored. Null: NATS cannot be reached.
 */
async function isWithoutDefaultGroup(
  client: NatsClient,
  { sourceStream }: CopyOwner,
): Promise<boolean | null> {
  if (!client.isConnected()) return null;
  return client.manager.consumers.info(sourceStream, DEFAULT_GROUP).then(
    () => false,
    // Without the right to ask, the copies are left to the other group.
    (error) => (isTemporary(error) ? null : apiErrorCode(error) === ApiErrorCode.consumerNotFound),
  );
}

type Listed = {
  /** Which queues to list, a NATS subject filter that may hold wildcards. @default all */
  readonly keys?: string;
  /** Copies without a group in their subject are listed, too. @default only for the default group */
  readonly hasUngrouped?: boolean;
};

/**
 * Counts the parked copies of a group per queue. The stream is the only source of which endpoints have parked messages, so no message
 * is forgotten over restarts.
 *
 * @returns null if the counts are unknown now: NATS cannot be reached, or the stream does not exist.
 */
export async function listParked(
  client: NatsClient,
  stream: string,
  owner: CopyOwner,
  { keys = '>', hasUngrouped = owner.group === DEFAULT_GROUP }: Listed = {},
): Promise<ReadonlyMap<string, number> | null> {
  const own = parkedSubject(owner, '');
  const prefixes = new Set(
    hasUngrouped ? [own, parkedSubject({ ...owner, group: DEFAULT_GROUP }, '')] : [own],
  );
  const counts = new Map<string, number>();
  for (const prefix of prefixes) {
    const listed = await listSubjects(client, stream, prefix + keys);
    if (listed === null) return null;
    for (const [subject, count] of listed) {
      const key = subject.slice(prefix.length);
      if (!isOfNamedGroup(key)) counts.set(key, (counts.get(key) ?? 0) + count);
    }
  }
  return counts;
}

export type ParkedConsumerOptions = {
  /** PARKED_STREAM_NAME. */
  readonly parkedStream: string;
  readonly owner: CopyOwner;
  readonly queueKey: string;
  /** The consumer also takes copies of this key whose subject names no group. @default only for the default group */
  readonly isUngroupedToo?: boolean;
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
  const { parkedStream, owner, queueKey, isUngroupedToo = false, ackWaitMs } = wanted;
  const groups = new Set(isUngroupedToo ? [owner.group, DEFAULT_GROUP] : [owner.group]);
  return ensureQueueConsumer(client, {
    stream: parkedStream,
    subjects: [...groups].map((group) => parkedSubject({ ...owner, group }, queueKey)),
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
