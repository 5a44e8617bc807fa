import type { Settings } from '../../config/settings.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { ensureDeadLetterStream } from '../../nats/streams/dead-letter-stream.ts';
import { ensureParkedStream } from '../../nats/streams/parked-stream.ts';
import { ensureStream } from '../../nats/streams/stream.ts';
import type { StreamRow } from '../../postgres/tables/streams-table.ts';
import type { Logger } from '../../runtime/logger.ts';
import { requireDistinct, wantedStream } from './stream-row.ts';

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

  function logMade(isNew: boolean, about: Record<string, unknown>, what: string): void {
    if (!isNew) return;
    if (isFirst) log.info(about, `made ${what}`);
    else log.warn(about, `made ${what} again, which was gone with all in it`);
  }

  const stream = await ensureStream(client, wanted, SUBJECT);
  logMade(stream.isNew, { stream: stream.name, subjects: stream.subjects }, 'the stream');
  const deadLetters = await ensureDeadLetterStream(client, { ...beside, name: DLQ_STREAM_NAME });
  logMade(deadLetters.isNew, { stream: DLQ_STREAM_NAME }, 'the stream of dead letters');
  const parked = await ensureParkedStream(client, {
    ...beside,
    name: PARKED_STREAM_NAME,
    ackWaitMs: ACK_WAIT_MS,
  });
  logMade(parked.isNew, { stream: PARKED_STREAM_NAME }, 'the stream of parked messages');
  return {
    stream,
    replicas: wanted.replicas,
    parkedCreated: parked.createdAt,
    parkedCanFill: parked.canFill,
    warnings: [...stream.warnings, ...deadLetters.warnings, ...parked.warnings],
  };
}
