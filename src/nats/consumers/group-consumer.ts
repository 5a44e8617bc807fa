import { AckPolicy, type ConsumerInfo, nanos } from 'nats';
import { UserError } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, retryWhileUnavailable, userErrorFor } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { groupConsumerFindings, unusable } from './consumer-findings.ts';
import { chooseStartPosition, filtersAnyOf, filtersOf } from './start-position.ts';

/** The single consumer that all workers of a group share. */
export type GroupConsumerOptions = {
  readonly stream: string;
  /** QUEUE_GROUP. */
  readonly durable: string;
  /** SUBJECT. At least one. */
  readonly subjects: readonly string[];
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
  /**
   * How many delivered messages may be unacked, including messages that wait for a retry. Below: NATS delivers. At the limit:
   * NATS delivers nothing more to any worker of the group. Too high: the server becomes slow; at 1 000 000 its rate falls to
   * a fifth. @default `MAX_ACK_PENDING`
   */
  readonly maxAckPending: number;
  /** START_FROM: `all`, `new`, or a time (ISO 8601). Used only when the durable is created. */
  readonly startFrom?: string | undefined;
  /**
   * Looks up the last known ack floor of a durable that was deleted. The new durable starts after this floor, whatever
   * `startFrom` is. Called only if the durable is created on a stream that keeps delivered messages.
   *
   * @param only True if no other durable takes these subjects, so only this ack floor can tell where to start.
   */
  readonly lastAckFloor?: (only: boolean) => Promise<number | undefined>;
};

export type PullLimits = { readonly batch: number | null; readonly expiresMs: number | null };

export type GroupConsumer = {
  /** True if this call created the durable. */
  readonly isNew: boolean;
  /** The server's value, like the next two. It may differ from the wanted value. */
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  readonly subjects: readonly string[];
  /** The server rejects a pull request that asks for more messages or a longer wait. Null: no limit. */
  readonly pullLimits: PullLimits;
  /** When the durable was created, in milliseconds since 1970. A new value means that the durable was recreated. */
  readonly createdAt: number;
  /** Where the durable starts, for a warning in the log. Null if it existed, or could only start at the first message. */
  readonly notice: string | null;
  /** How the durable differs from the settings: one sentence per difference, with the cure. */
  readonly warnings: readonly string[];
};

export const MAX_ACK_PENDING = 100_000;

/** Most open pull requests of all workers together. Above: the server rejects a request, and the worker repeats it. */
const MAX_WAITING = 10_000;

/**
 * Creates the durable if it is missing. An existing durable is never changed, so that workers of two versions do not
 * overwrite each other's configuration.
 *
 * @throws {UserError} if the durable cannot be created, or cannot be shared by workers.
 */
export async function ensureGroupConsumer(
  client: NatsClient,
  wanted: GroupConsumerOptions,
): Promise<GroupConsumer> {
  const what = `make the durable ${wanted.durable} on the stream ${wanted.stream}`;
  const found = await retryWhileUnavailable(client, what, () => findOrMake(client, wanted)).catch(
    async (error) => {
      throw (await otherTakesThem(client, wanted, error)) ?? userErrorFor(what, error);
    },
  );
  requireUsable(found.info);
  const { config } = found.info;
  return {
    isNew: found.isNew,
    ackWaitMs: (config.ack_wait ?? 0) / nanos(1),
    maxAckPending: config.max_ack_pending ?? 0,
    subjects: filtersOf(found.info),
    pullLimits: {
      batch: config.max_batch || null,
      expiresMs: config.max_expires ? config.max_expires / nanos(1) : null,
    },
    createdAt: Date.parse(found.info.created),
    notice:
      found.notice === null
        ? null
        : `The durable ${wanted.durable} on the stream ${wanted.stream} ${found.notice}.`,
    warnings: groupConsumerFindings(found.info, wanted).map(({ sentence }) => sentence),
  };
}

type Found = { readonly info: ConsumerInfo; readonly isNew: boolean; readonly notice: string | null };

async function findOrMake(client: NatsClient, wanted: GroupConsumerOptions): Promise<Found> {
  const { consumers } = client.manager;
  try {
    return { info: await consumers.info(wanted.stream, wanted.durable), isNew: false, notice: null };
  } catch (error) {
    if (apiErrorCode(error) !== ApiErrorCode.consumerNotFound) throw error;
  }
  const stream = await client.manager.streams.info(wanted.stream);
  const { startFrom, subjects } = wanted;
  const keeps = stream.config.retention !== 'workqueue' && stream.state.messages > 0;
  const others = await consumersOf(client, wanted.stream);
  const only = !others.some((consumer) => filtersAnyOf(consumer, subjects));
  const lastAckFloor = keeps ? await wanted.lastAckFloor?.(only) : undefined;
  const start = chooseStartPosition(stream, others, {
    startFrom,
    lastAckFloor,
    subjects,
  });
  const [first, ...more] = subjects;
  try {
    const info = await consumers.add(wanted.stream, {
      name: wanted.durable,
      durable_name: wanted.durable,
      ack_policy: AckPolicy.Explicit,
      ...start.config,
      ...(more.length === 0 ? { filter_subject: first! } : { filter_subjects: [...subjects] }),
      ack_wait: nanos(wanted.ackWaitMs),
      max_deliver: -1,
      max_ack_pending: wanted.maxAckPending,
      max_waiting: MAX_WAITING,
    });
    return { info, isNew: true, notice: start.notice };
  } catch (error) {
    // Another worker created the durable first, with another configuration.
    if (apiErrorCode(error) !== ApiErrorCode.consumerExists) throw error;
    return { info: await consumers.info(wanted.stream, wanted.durable), isNew: false, notice: null };
  }
}

async function consumersOf(client: NatsClient, stream: string): Promise<ConsumerInfo[]> {
  const found: ConsumerInfo[] = [];
  for await (const consumer of client.manager.consumers.list(stream)) found.push(consumer);
  return found;
}

/** A workqueue stream delivers each message to one consumer only. Returns an error that names the consumer of our subjects. */
async function otherTakesThem(
  client: NatsClient,
  { stream, durable, subjects }: GroupConsumerOptions,
  error: unknown,
): Promise<UserError | undefined> {
  const code = apiErrorCode(error);
  if (code !== ApiErrorCode.workqueueUnfiltered && code !== ApiErrorCode.workqueueNotUnique) return undefined;
  const consumers = await consumersOf(client, stream).catch(() => []);
  const other = consumers.find((consumer) => filtersAnyOf(consumer, subjects))?.name;
  const named = other === undefined ? 'another durable' : `the durable ${other}`;
  return new UserError(
    `QUEUE_GROUP: the stream ${stream} is a work queue, and ${named} takes ${subjects.join(', ')} already. ` +
      `Set QUEUE_GROUP=${other ?? '<its name>'} to share the work of that durable. If no program uses that durable any more, ` +
      `remove it with \`nats consumer rm ${stream} ${other ?? '<its name>'}\`. Then ${durable} takes the messages.`,
    { cause: error },
  );
}

/** @throws {UserError} if workers cannot deliver from this consumer. */
function requireUsable({ config, name, stream_name: stream }: ConsumerInfo): void {
  const problem = unusable(config);
  if (problem === undefined) return;
  throw new UserError(
    `QUEUE_GROUP: the consumer ${name} of the stream ${stream} ${problem}. Set QUEUE_GROUP to another name, ` +
      `or, if no program uses the consumer any more, remove it with \`nats consumer rm ${stream} ${name}\`.`,
  );
}
