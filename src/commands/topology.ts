import type { Settings } from '../config/settings.ts';
import type { NatsClient } from '../nats/client.ts';
import { ensureDeadLetterStream } from '../nats/dead-letter-stream.ts';
import { ensureDurable, MAX_ACK_PENDING } from '../nats/durable.ts';
import { durableStream, ensureStream, type StreamFound, type StreamWanted } from '../nats/stream.ts';
import { covers, overlap } from '../nats/subjects.ts';
import type { StreamRow } from '../postgres/streams-table.ts';
import { UserError } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';

export type Topology = {
  readonly stream: StreamFound;
  /** The durable's, in milliseconds, which may not be ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

/** Makes the stream, the dead-letter stream and the group's durable where they are missing, and says what is odd. */
export async function ensureTopology(
  client: NatsClient,
  settings: Settings,
  row: StreamRow | null,
  log: Logger,
): Promise<Topology> {
  requireDistinct(settings.SUBJECT);
  const wanted = wantedStream(settings, row);
  const stream = await ensureStream(client, wanted, settings.SUBJECT);
  if (stream.isNew) log.info({ stream: stream.name, subjects: stream.subjects }, 'made the stream');
  const deadLetters = await ensureDeadLetterStream(client, {
    name: settings.DLQ_STREAM_NAME!,
    sourceStream: settings.STREAM_NAME,
    replicas: wanted.replicas,
  });
  const durable = await ensureDurable(client, {
    stream: settings.STREAM_NAME,
    durable: settings.QUEUE_GROUP,
    subjects: settings.SUBJECT,
    ackWaitMs: settings.ACK_WAIT_MS,
    maxAckPending: MAX_ACK_PENDING,
    startFrom: settings.START_FROM,
  });
  if (durable.says !== null) log.warn(durable.says);
  for (const warning of [...stream.warnings, ...deadLetters.warnings, ...durable.warnings]) log.warn(warning);
  return { stream, ackWaitMs: durable.ackWaitMs };
}

/** Neither a stream nor a durable takes subjects that overlap, and the server's refusal does not name the setting. */
function requireDistinct(subjects: readonly string[]): void {
  for (const [index, subject] of subjects.entries()) {
    const other = subjects.slice(0, index).find((earlier) => overlap(earlier, subject));
    if (other !== undefined) {
      throw new UserError(
        `SUBJECT: ${other} and ${subject} overlap. Leave one of them out, or make them distinct.`,
      );
    }
  }
}

/** The row rules where it is there. A stream that is yet to be made carries at least what is to be delivered. */
function wantedStream(settings: Settings, row: StreamRow | null): StreamWanted {
  if (row === null) return durableStream(settings.STREAM_NAME, settings.SUBJECT);
  const missing = settings.SUBJECT.filter(
    (subject) => !row.subjects.some((carried) => covers(carried, subject)),
  );
  // A stream cannot carry a subject beside one that covers it.
  const others = row.subjects.filter((subject) => !missing.some((wider) => covers(wider, subject)));
  return {
    name: row.streamName,
    subjects: [...others, ...missing],
    storage: row.storageType,
    retention: row.retentionPolicy,
    discard: row.discardPolicy,
    maxMessages: row.maxMessages,
    maxBytes: row.maxBytes,
    maxAgeSeconds: row.maxAgeSeconds,
    replicas: row.replicas,
    duplicateWindowSeconds: row.duplicateWindowSeconds,
    description: row.description ?? undefined,
  };
}
