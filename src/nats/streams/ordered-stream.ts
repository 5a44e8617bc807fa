import { DiscardPolicy, nanos, RetentionPolicy, type StreamInfo } from 'nats';
import { UserError } from '../../runtime/failure.ts';
import type { NatsClient } from '../connection/client.ts';
import { ensureInternalStream } from './internal-stream.ts';

export type OrderedStreamWanted = {
  /** ORDERED_STREAM_NAME. */
  readonly name: string;
  /** ORDERED_SUBJECT. */
  readonly subjects: readonly string[];
  /** The stream of the webhooks that are delivered in any order. */
  readonly sourceStream: string;
  readonly replicas: number;
  /** ACK_WAIT_MS: after it, a copy that a worker was lost with is stored once more. */
  readonly ackWaitMs: number;
};

/** The server's own, in milliseconds. */
const DUPLICATE_WINDOW_MS = 120_000;

/** Subjects of copies begin with it. */
export const ORDERED_COPIES = 'ordered.';

/** Where several endpoints take one ordered subject, each has a copy of every message, in a queue of its own. */
export function orderedCopySubject(sourceStream: string, subject: string, endpointKey: string): string {
  return `${ORDERED_COPIES}${sourceStream}.${subject}.${endpointKey}`;
}

/**
 * Makes the stream of ordered webhooks where it is missing; one that is there is never changed. A work queue: what was
 * delivered must be gone, since the durables that take it out come and go, and each starts at the beginning. Without limits,
 * so that nothing that waits is dropped.
 *
 * @throws {UserError} where it cannot be made, is no work queue, or does not carry its subjects.
 */
export async function ensureOrderedStream(client: NatsClient, wanted: OrderedStreamWanted) {
  const { info, isNew } = await ensureInternalStream(client, {
    name: wanted.name,
    setting: 'ORDERED_STREAM_NAME',
    purpose: 'for ordered webhooks',
    subjects: [...wanted.subjects, `${ORDERED_COPIES}${wanted.sourceStream}.>`],
    replicas: wanted.replicas,
    config: {
      description: `Webhooks beside ${wanted.sourceStream} that are delivered in order`,
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      duplicate_window: nanos(Math.max(DUPLICATE_WINDOW_MS, 2 * wanted.ackWaitMs)),
    },
  });
  requireWorkQueue(info);
  return { isNew, created: Date.parse(info.created), warnings: warningsOf(info) };
}

function requireWorkQueue({ config: { name, retention } }: StreamInfo): void {
  if (retention === 'workqueue') return;
  throw new UserError(
    `ORDERED_STREAM_NAME: the stream ${name} has retention ${retention}, and must be a work queue, so that what was delivered ` +
      `is gone. Set ORDERED_STREAM_NAME to another name, or, when nothing in it is needed any more, remove it, and a work queue ` +
      `is made: \`nats stream rm ${name}\`.`,
  );
}

function warningsOf({ config }: StreamInfo): string[] {
  const edit = `nats stream edit ${config.name}`;
  const sentences: string[] = [];
  if (config.discard !== 'new')
    sentences.push(`drops its oldest webhooks when it is full: \`${edit} --discard new\` refuses new ones`);
  if (config.max_age > 0)
    sentences.push(
      `drops webhooks that wait for more than ${config.max_age / nanos(1000)} s: \`${edit} --max-age 0\``,
    );
  if (config.storage === 'memory')
    sentences.push('forgets all that wait in it when nats-server restarts: it is in memory');
  return sentences.map((sentence) => `The stream ${config.name} ${sentence}.`);
}
