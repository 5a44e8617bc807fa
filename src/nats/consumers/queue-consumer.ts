import { AckPolicy, DeliverPolicy, ErrorCode, nanos } from 'nats';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, isTemporary } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import { createPullConsumer, type ToMessage } from './pull-consumer.ts';

export type QueueConsumerOptions = {
  readonly stream: string;
  /** Of the messages of this queue. */
  readonly subject: string;
  readonly name: string;
  /** Completes "cannot …": `drain <key> from <stream>`. */
  readonly purpose: string;
  /** In milliseconds. */
  readonly ackWaitMs: number;
  /** Handed out and not yet acked. */
  readonly maxAckPending: number;
  /** How long the server keeps it when nobody pulls from it, in milliseconds. */
  readonly inactiveMs: number;
  /** Whether one that is there with other values is given these. */
  readonly isUpdated: boolean;
};

export type QueueConsumerResult =
  | { readonly name: string }
  /** It cannot be made now, which may be over in a moment, or waits for somebody's cure. */
  | { readonly failed: string };

/**
 * Makes the durable from which all workers take the messages of one queue, or finds it, with one request. It is never looked
 * after: a worker that pulls keeps it, and what it had handed out when it vanished, the next one hands out again.
 *
 * @throws what is neither an answer of JetStream nor the lack of one.
 */
export async function ensureQueueConsumer(
  client: NatsClient,
  wanted: QueueConsumerOptions,
): Promise<QueueConsumerResult> {
  const { stream, name, isUpdated } = wanted;
  const { consumers } = client.manager;
  const config = {
    name,
    durable_name: name,
    filter_subject: wanted.subject,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(wanted.ackWaitMs),
    max_deliver: -1,
    max_ack_pending: wanted.maxAckPending,
    inactive_threshold: nanos(wanted.inactiveMs),
  };
  try {
    await consumers.add(stream, config).catch(async (error) => {
      if (apiErrorCode(error) !== ApiErrorCode.consumerExists) throw error;
      if (isUpdated) await consumers.update(stream, name, config);
    });
    return { name };
  } catch (error) {
    const isDenied = errorCode(error) === ErrorCode.PermissionsViolation;
    if (isTemporary(error) || isDenied || apiErrorCode(error) !== undefined)
      return { failed: `cannot ${wanted.purpose}: ${errorMessage(error)}` };
    throw error;
  }
}

/** The hint for a queue that cannot be opened now. */
export const OPENED_AGAIN =
  'The worker tries again by itself. If this lasts, look at the log of nats-server.';

/** Where the messages of one queue go. */
export type QueueSink = {
  /** How many messages may come now. */
  capacity(): number;
  onMessage(message: ReceivedMessage): void;
};

/** Of all queues that one stream holds. */
export type QueuesOptions = {
  readonly stream: string;
  /** What a message of these queues is. */
  readonly toMessage: ToMessage;
  /** The most messages that one pull asks for. */
  readonly maxBatch: number;
  /** How many pulls may be under way at once. */
  readonly maxPulls: number;
  /** When the stream was made, in milliseconds since 1970: another one when it is made again. */
  streamCreatedAt(): number;
  /** Whether it is still the one that is known. */
  isStreamKnown(): Promise<boolean>;
};

/**
 * Pulls from one queue of a stream, by a durable that is made on demand.
 *
 * @param ensure Makes the durable, or finds it.
 * @returns why that is not possible now, where it is not.
 */
export async function pullQueue(
  client: NatsClient,
  { stream, toMessage, maxBatch, maxPulls, streamCreatedAt, isStreamKnown }: QueuesOptions,
  ensure: () => Promise<QueueConsumerResult>,
  sink: QueueSink,
) {
  const durable = await ensure();
  if ('failed' in durable) return durable;
  const consumer = createPullConsumer(client, {
    stream,
    durable: durable.name,
    streamCreatedAt,
    maxBatch,
    limits: () => ({ batch: null, expiresMs: null }),
    // Its end, for want of pulls, is normal: it is made again.
    verify: async () => (await isStreamKnown()) && 'name' in (await ensure()),
    maxPulls,
    toMessage,
  });
  consumer.start(sink);
  return { outstanding: consumer.credits, pullMore: consumer.onSlotFreed, stop: consumer.stop };
}
