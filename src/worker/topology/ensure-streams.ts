import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { ensureInternalStream } from '../../nats/streams/internal-stream.ts';
import { ensureStream } from '../../nats/streams/stream.ts';
import type { StreamChange } from '../../nats/streams/stream-update.ts';
import type { StreamRow } from '../../postgres/tables/streams-table.ts';
import type { Logger } from '../../runtime/logger.ts';
import { requireDistinct, wantedStream } from './stream-row.ts';

export const STREAM_RECREATED =
  'The stream was gone with all its messages, and the program has made the stream again. Find out who deleted the stream.';

/**
 * Creates the missing ones of three streams: webhooks, dead letters, parked messages.
 *
 * @param isFirst True at the start of the worker, when a new stream is normal. Later, a missing stream is logged as a warning.
 * @throws {UserError} If the user can cure the problem.
 */
export async function ensureStreams(
  client: NatsClient,
  settings: Settings,
  row: StreamRow | null,
  log: Logger,
  isFirst: boolean,
) {
  const { STREAM_NAME, SUBJECT, DLQ_STREAM_NAME, PARKED_STREAM_NAME, ACK_WAIT_MS } = settings;
  requireDistinct(SUBJECT);
  const wanted = wantedStream(settings, row);
  const beside = { sourceStream: STREAM_NAME, replicas: wanted.replicas };

  function logMade(isNew: boolean, about: Record<string, unknown>): void {
    if (!isNew) return;
    if (isFirst) log.info(about, 'stream.created');
    else log.warn({ ...about, hint: STREAM_RECREATED }, 'stream.recreated');
  }

  const stream = await ensureStream(client, wanted, SUBJECT);
  logMade(stream.isNew, { kind: 'webhooks', stream: stream.name, subjects: stream.subjects });
  const deadLetters = await ensureInternalStream(client, 'deadLetters', { ...beside, name: DLQ_STREAM_NAME });
  logMade(deadLetters.isNew, { kind: 'deadLetters', stream: DLQ_STREAM_NAME });
  const parked = await ensureInternalStream(client, 'parked', {
    ...beside,
    name: PARKED_STREAM_NAME,
    ackWaitMs: ACK_WAIT_MS,
  });
  logMade(parked.isNew, { kind: 'parked', stream: PARKED_STREAM_NAME });
  return {
    stream,
    replicas: wanted.replicas,
    parkedCreated: parked.createdAt,
    parkedCanFill: parked.canFill,
    warnings: [
      ...stream.warnings.map((hint) => ({ stream: stream.name, hint })),
      ...deadLetters.warnings.map((hint) => ({ stream: DLQ_STREAM_NAME, hint })),
      ...parked.warnings.map((hint) => ({ stream: PARKED_STREAM_NAME, hint })),
    ],
  };
}

/** Logs which changes of the row of `rule_nats_streams` were made in a stream, and which failed. */
export function logChanges(log: Logger, stream: string, notices: readonly StreamChange[]): void {
  for (const { changes, refused } of notices) {
    if (refused === null) log.warn({ stream, changes }, 'stream.changed');
    else log.warn({ stream, changes, ...refused }, 'stream.change_failed');
  }
}
