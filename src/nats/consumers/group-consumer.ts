import { AckPolicy, type ConsumerConfig, type ConsumerInfo, nanos } from 'nats';
import { UserError } from '../../runtime/failure.ts';
import { ApiErrorCode, apiErrorCode, retryWhileUnavailable, userErrorFor } from '../connection/api-error.ts';
import type { NatsClient } from '../connection/client.ts';
import { chooseStartPosition, filtersAnyOf, filtersOf } from './start-position.ts';

/** The one consumer that all workers of a group share. */
export type GroupConsumerOptions = {
  readonly stream: string;
  /** QUEUE_GROUP. */
  readonly durable: string;
  /** SUBJECT. At least one. */
  readonly subjects: readonly string[];
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
  /**
   * How many messages may be handed out and not yet acked, those that wait for a retry included: past it, nothing is
   * delivered any more, to anyone. Too high costs the server speed: at 1 000 000 a fifth is left. See `MAX_ACK_PENDING`.
   */
  readonly maxAckPending: number;
  /** START_FROM: `all`, `new`, or a time (ISO 8601). Only for a durable that is made. */
  readonly startFrom?: string | undefined;
  /**
   * Looks up the last known ack floor of a durable that vanished: it starts again behind it, whatever `startFrom` says.
   * Asked only where a durable is made on a stream that keeps what was delivered.
   *
   * @param only Nothing else says where to start: no other durable takes these subjects.
   */
  readonly lastAckFloor?: (only: boolean) => Promise<number | undefined>;
};

export type PullLimits = { readonly batch: number | null; readonly expiresMs: number | null };

export type GroupConsumer = {
  /** Made just now. */
  readonly isNew: boolean;
  /** What the server has, which may not be what was wanted. */
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  readonly subjects: readonly string[];
  /** A pull that asks for more, or for longer, is turned away; null where there is no such limit. */
  readonly pullLimits: PullLimits;
  /** When it was made, in milliseconds since 1970: another one when it is made again. */
  readonly createdAt: number;
  /** Where it starts, to be said loudly; null where it is there already, or nothing but the start was possible. */
  readonly notice: string | null;
  /** How it differs from what was wanted: a sentence each, with the cure. */
  readonly warnings: readonly string[];
};

export const MAX_ACK_PENDING = 100_000;

/** Pulls that may wait at once, from all workers together. One that finds no place is refused, and asks again. */
const MAX_WAITING = 10_000;

/**
 * Makes the durable where it is missing. One that is there is never changed, so that two versions of a worker do not
 * fight over it.
 *
 * @throws {UserError} where it cannot be made, or is none that workers can share.
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
    warnings: groupConsumerWarnings(found.info, wanted),
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
    // Another worker was faster, and wanted it otherwise.
    if (apiErrorCode(error) !== ApiErrorCode.consumerExists) throw error;
    return { info: await consumers.info(wanted.stream, wanted.durable), isNew: false, notice: null };
  }
}

async function consumersOf(client: NatsClient, stream: string): Promise<ConsumerInfo[]> {
  const found: ConsumerInfo[] = [];
  for await (const consumer of client.manager.consumers.list(stream)) found.push(consumer);
  return found;
}

/** A workqueue stream hands each message to one consumer only: which one has ours? */
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
      `Set QUEUE_GROUP=${other ?? '<its name>'} to share its work; or, when no program uses it any more, remove it: ` +
      `\`nats consumer rm ${stream} ${other ?? '<its name>'}\`, and ${durable} takes over.`,
    { cause: error },
  );
}

/** @throws {UserError} where a worker cannot deliver from this consumer at all. */
export function requireUsable({ config, name, stream_name: stream }: ConsumerInfo): void {
  const problem = unusable(config);
  if (problem === undefined) return;
  throw new UserError(
    `QUEUE_GROUP: the consumer ${name} of the stream ${stream} ${problem}. Set QUEUE_GROUP to another name, ` +
      `or, when no program uses it any more, remove it: \`nats consumer rm ${stream} ${name}\`.`,
  );
}

/** Later servers know more than the client's types. */
type NewerConfig = ConsumerConfig & { readonly priority_policy?: string };

/** Shorter ones would keep an idle worker busy. */
const SHORTEST_PULL_MS = 100;

function unusable(config: NewerConfig): string | undefined {
  if (config.deliver_subject) return 'is a push consumer, and workers need a pull consumer';
  if (config.ack_policy !== 'explicit')
    return `has ack policy "${config.ack_policy}", and workers need "explicit"`;
  if (config.headers_only) return 'hands out headers only, without the messages';
  if (config.max_expires && config.max_expires < nanos(SHORTEST_PULL_MS))
    return `ends every pull within ${SHORTEST_PULL_MS} ms (max_expires), and asking so often is no waiting`;
  if ((config.priority_policy ?? 'none') !== 'none') return `has priority policy "${config.priority_policy}"`;
  return undefined;
}

/** How a durable that is there differs from the settings; what the server has is used. A sentence each. */
export function groupConsumerWarnings(info: ConsumerInfo, wanted: GroupConsumerOptions): string[] {
  const { config } = info;
  const edit = `nats consumer edit ${wanted.stream} ${wanted.durable}`;
  const sentences: string[] = [];
  const filters = [...filtersOf(info)].sort().join(', ');
  if (filters !== [...wanted.subjects].sort().join(', ')) {
    sentences.push(
      `takes ${filters}, not SUBJECT=${wanted.subjects.join(',')}: \`${edit} --filter ${wanted.subjects.join(' --filter ')}\``,
    );
  }
  const ackWaitMs = (config.ack_wait ?? 0) / nanos(1);
  if (ackWaitMs !== wanted.ackWaitMs) {
    sentences.push(
      `has ack_wait ${ackWaitMs} ms, not ACK_WAIT_MS=${wanted.ackWaitMs}: \`${edit} --wait ${wanted.ackWaitMs}ms\``,
    );
  }
  const maxAckPending = config.max_ack_pending ?? 0;
  if (maxAckPending !== wanted.maxAckPending) {
    sentences.push(
      `has max_ack_pending ${maxAckPending}, not ${wanted.maxAckPending}: when as many wait for a retry, nothing else is delivered: ` +
        `\`${edit} --max-pending ${wanted.maxAckPending}\``,
    );
  }
  if ((config.max_deliver ?? -1) > 0) {
    sentences.push(
      `hands out a message ${config.max_deliver} times and then forgets it, before MAX_ATTEMPTS may be reached: \`${edit} --max-deliver=-1\``,
    );
  }
  if ((config.backoff ?? []).length > 0) {
    sentences.push(
      'has a backoff of its own, which spoils the delays of our retries: only a consumer that is made anew is without',
    );
  }
  if (info.paused)
    sentences.push(
      `is paused, and hands out nothing: \`nats consumer resume ${wanted.stream} ${wanted.durable}\``,
    );
  return sentences.map((sentence) => `The durable ${wanted.durable} ${sentence}.`);
}
