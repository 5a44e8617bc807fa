import { AckPolicy, type ApiError, DeliverPolicy, ErrorCode, nanos } from 'nats';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, isTemporary, jetStreamError } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import type { ReceivedMessage } from '../messages/received-message.ts';
import { createPullConsumer, type ToMessage } from './pull-consumer.ts';

export type QueueConsumerOptions = {
  readonly stream: string;
  /** The subject of the messages of this queue. */
  readonly subject: string;
  readonly name: string;
  /** Completes "cannot …": `read the parked queue <key> of <stream>`. */
  readonly purpose: string;
  /** In milliseconds. */
  readonly ackWaitMs: number;
  /** How many delivered messages may be unacked. At the limit, the durable delivers nothing more. */
  readonly maxAckPending: number;
  /** How long the server keeps the durable without pull requests, in milliseconds. */
  readonly inactiveMs: number;
  /** True if an existing durable with other values is updated to these values. */
  readonly isUpdated: boolean;
};

export type QueueConsumerResult =
  | { readonly name: string }
  /** Why the durable cannot be created now. The cause may pass soon, or an operator must remove it. */
  | { readonly failed: string };

/**
 * Creates or finds the durable that all workers share for the messages of one queue, with one request. Nobody
 * deletes the durable: while a worker pulls, the server keeps it. After the server has removed it, the next durable delivers the
 * unacked messages again.
 *
 * @throws an error that is neither a JetStream error nor a missing reply.
 */
export async function ensureQueueConsumer(
  client: NatsClient,
  wanted: QueueConsumerOptions,
): Promise<QueueConsumerResult> {
  const { stream, subject, name, isUpdated } = wanted;
  const { consumers } = client.manager;
  const config = {
    name,
    durable_name: name,
    filter_subject: subject,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(wanted.ackWaitMs),
    max_deliver: -1,
    max_ack_pending: wanted.maxAckPending,
    inactive_threshold: nanos(wanted.inactiveMs),
  };
  try {
    if (subject.length > LONGEST_FILTER) await ensureLongFilter(client, stream, config, isUpdated);
    else
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

/**
 * The client writes the filter into the subject of its request too. Above this length, in characters, such a request is a line that
 * closes the connection to nats-server. Each character has at most 3 bytes.
 */
const LONGEST_FILTER = 1000;

/** Sends the filter only in the request itself. */
async function ensureLongFilter(
  client: NatsClient,
  stream: string,
  config: { readonly name: string },
  isUpdated: boolean,
): Promise<void> {
  const answer = await client.connection.request(
    `${client.apiPrefix}.CONSUMER.CREATE.${stream}.${config.name}`,
    JSON.stringify({ stream_name: stream, config, action: isUpdated ? '' : 'create' }),
    { timeout: CREATE_TIMEOUT_MS },
  );
  const { error } = answer.json<{ error?: ApiError }>();
  if (error !== undefined && error.err_code !== ApiErrorCode.consumerExists) throw jetStreamError(error);
}

/** How long the creation of a durable may take, in milliseconds. Above: an error, and the queue is opened later. */
const CREATE_TIMEOUT_MS = 5000;

/** The hint of the event for a queue that cannot be opened now. */
export const OPENED_AGAIN =
  'The worker tries again by itself. If this lasts, look at the log of nats-server.';

/** Takes the messages of a queue. */
export type QueueSink = {
  /** How many messages the sink can take now. */
  capacity(): number;
  onMessage(message: ReceivedMessage): void;
};

/** Options that all queues of one stream share. */
export type QueuesOptions = {
  readonly stream: string;
  /** Reads a message of these queues. */
  readonly toMessage: ToMessage;
  /** The most messages that one pull request asks for. */
  readonly maxBatch: number;
  /** How many pull requests may be open at once. */
  readonly maxPulls: number;
  /** When the stream was created, in milliseconds since 1970. A new value means that the stream was recreated. */
  streamCreatedAt(): number;
  /** True if the stream is still the known one. */
  isStreamKnown(): Promise<boolean>;
};

/**
 * Pulls messages from one queue of a stream, through a durable that is created on demand.
 *
 * @param ensure Creates or finds the durable.
 * @returns the running consumer, or `failed` with the reason why it cannot be opened now.
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
    // It is normal that the server removes a durable without pull requests: the worker creates the durable again.
    verify: async () => (await isStreamKnown()) && 'name' in (await ensure()),
    maxPulls,
    toMessage,
  });
  consumer.start(sink);
  return { outstanding: consumer.credits, pullMore: consumer.onSlotFreed, stop: consumer.stop };
}

type OpenQueue = Exclude<Awaited<ReturnType<typeof pullQueue>>, { readonly failed: string }>;

/** Several durables as one queue. Null if none of them could be opened. */
export function together(consumers: readonly (OpenQueue | null)[]): OpenQueue | null {
  const opened = consumers.filter((consumer) => consumer !== null);
  if (opened.length === 0) return null;
  return {
    outstanding: () => opened.reduce((sum, consumer) => sum + consumer.outstanding(), 0),
    pullMore() {
      for (const consumer of opened) consumer.pullMore();
    },
    async stop() {
      await Promise.all(opened.map((consumer) => consumer.stop()));
    },
  };
}
