import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { ensureInternalStream } from '../../nats/streams/internal-stream.ts';
import { ensureStream } from '../../nats/streams/stream.ts';
import type { StreamChange } from '../../nats/streams/stream-update.ts';
import type { StreamRow } from '../../postgres/tables/streams-table.ts';
import type { Logger } from '../../runtime/logger.ts';
import { requireDistinct, wantedStream } from './stream-row.ts';

export const STREAM_RECREATED =
  'The stream was gone with all its messages, and the worker has made the stream again. Find out who deleted the stream.';

/**
 * Makes the three streams where they are missing: of webhooks, of dead letters, of parked messages.
 *
 * @param isFirst Streams are made at the first start; that one of them vanished under us is worth a look.
 * @throws {UserError} for what the user can cure.
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

/** Says what the row of `rule_nats_streams` has changed in a stream, or could not. */
export function sayChanges(log: Logger, stream: string, said: readonly StreamChange[]): void {
  for (const { changes, refused } of said) {
    if (refused === null) log.warn({ stream, changes }, 'stream.changed');
    else log.warn({ stream, changes, ...refused }, 'stream.change_failed');
  }
}
