import { DiscardPolicy, nanos, RetentionPolicy, type StreamInfo } from 'nats';
import { UserError } from '../../runtime/failure.ts';
import type { NatsClient } from '../connection/client.ts';
import { ensureInternalStream } from './internal-stream.ts';

export type ParkedStreamWanted = {
  /** PARKED_STREAM_NAME. */
  readonly name: string;
  /** The stream whose messages it keeps while their endpoints have no room. */
  readonly sourceStream: string;
  readonly replicas: number;
  /** ACK_WAIT_MS: after it, what was lost with a worker is parked once more. */
  readonly ackWaitMs: number;
};

export type ParkedStreamFound = {
  readonly isNew: boolean;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Whether it has a limit, and may have refused copies. */
  readonly canFill: boolean;
  /** How one that is there differs: a sentence each, with the cure. */
  readonly warnings: readonly string[];
};

/** The server's own, in milliseconds. */
const DUPLICATE_WINDOW_MS = 120_000;

/** Where copies for an endpoint are parked. */
export function parkedSubject(sourceStream: string, endpointKey: string): string {
  return `parked.${sourceStream}.${endpointKey}`;
}

/** The key of the queue that it is the subject of. */
export function parkedKey(subject: string): string {
  return subject.split('.').slice(2).join('.');
}

/**
 * Makes the stream where webhooks wait whose endpoints have no room, where it is missing; one that is there is never
 * changed. A work queue, since a copy that was delivered must be gone: the durables that drain it come and go, and each
 * starts at the beginning. Without limits, so that nothing that waits is dropped.
 *
 * @throws {UserError} where it cannot be made, is no work queue, or does not carry our copies.
 */
export async function ensureParkedStream(
  client: NatsClient,
  wanted: ParkedStreamWanted,
): Promise<ParkedStreamFound> {
  const { info, isNew } = await ensureInternalStream(client, {
    name: wanted.name,
    setting: 'PARKED_STREAM_NAME',
    purpose: 'for parked webhooks',
    subjects: [parkedSubject(wanted.sourceStream, '>')],
    replicas: wanted.replicas,
    config: {
      description: `Webhooks of ${wanted.sourceStream} that wait until their endpoints have room`,
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      duplicate_window: nanos(windowFor(wanted.ackWaitMs)),
    },
  });
  requireWorkQueue(info);
  return {
    isNew,
    createdAt: Date.parse(info.created),
    canFill: canFill(info),
    warnings: warningsOf(info, wanted),
  };
}

/** How long the server knows a `Nats-Msg-Id`: what is parked once more is known by it, and stays one copy. */
function windowFor(ackWaitMs: number): number {
  return Math.max(DUPLICATE_WINDOW_MS, 2 * ackWaitMs);
}

function requireWorkQueue({ config: { name, retention } }: StreamInfo): void {
  if (retention === 'workqueue') return;
  const follows =
    retention === 'limits'
      ? 'copies stay in it after they were delivered, and would be delivered again and again'
      : 'it drops copies while nobody drains it';
  throw new UserError(
    `PARKED_STREAM_NAME: the stream ${name} has retention ${retention}, so ${follows}. Set PARKED_STREAM_NAME to another name, ` +
      `or, when nothing in it is needed any more, remove it, and a work queue is made: \`nats stream rm ${name}\`.`,
  );
}

function canFill({ config }: Pick<StreamInfo, 'config'>): boolean {
  return config.max_msgs > 0 || config.max_bytes > 0 || config.max_msgs_per_subject > 0;
}

function warningsOf({ config }: StreamInfo, { ackWaitMs }: ParkedStreamWanted): string[] {
  const edit = `nats stream edit ${config.name}`;
  const sentences: string[] = [];
  if (config.discard !== 'new') {
    sentences.push(`drops its oldest webhooks when it is full: \`${edit} --discard new\` refuses new ones`);
  }
  if (config.max_age > 0) {
    sentences.push(
      `drops webhooks that wait for more than ${config.max_age / nanos(1000)} s: \`${edit} --max-age 0\``,
    );
  }
  if (canFill({ config })) {
    sentences.push(
      `can become full, and then endpoints without room hold up the others: \`${edit} --max-msgs -1 --max-bytes -1 --max-msgs-per-subject -1\``,
    );
  }
  if (config.max_msg_size > 0) {
    sentences.push(
      `takes no webhook of more than ${config.max_msg_size} bytes, headers included: \`${edit} --max-msg-size -1\``,
    );
  }
  if (config.duplicate_window < nanos(windowFor(ackWaitMs))) {
    sentences.push(
      `may hold two copies of a webhook whose worker died: \`${edit} --dupe-window ${windowFor(ackWaitMs) / 1000}s\``,
    );
  }
  if (config.storage === 'memory') {
    sentences.push('forgets all that wait in it when nats-server restarts: it is in memory');
  }
  return sentences.map((sentence) => `The stream ${config.name} ${sentence}.`);
}
