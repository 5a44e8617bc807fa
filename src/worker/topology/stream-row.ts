import type { Settings } from '../../config/settings.ts';
import { covers, overlap } from '../../core/subject.ts';
import { defaultWebhookStream, type StreamWanted } from '../../nats/streams/stream-config.ts';
import type { StreamRow } from '../../postgres/tables/streams-table.ts';
import { UserError } from '../../runtime/failure.ts';

/**
 * Neither a stream nor a durable takes subjects that overlap, and the server's refusal does not name the setting.
 *
 * @throws {UserError} that names both.
 */
export function requireDistinct(subjects: readonly string[]): void {
  for (const [index, subject] of subjects.entries()) {
    const other = subjects.slice(0, index).find((earlier) => overlap(earlier, subject));
    if (other !== undefined) {
      throw new UserError(
        `SUBJECT: ${other} and ${subject} overlap. Leave one of them out, or make them distinct.`,
      );
    }
  }
}

/** Our migration's row for WEBHOOKS: as long as nobody has touched it, it says nothing about a stream of somebody else. */
function isUntouched(row: StreamRow): boolean {
  const ours = defaultWebhookStream(row.streamName, ['webhooks.*']);
  const theirs = rowStream(row, row.subjects);
  return (Object.keys(ours) as (keyof StreamWanted)[]).every(
    (key) => String(ours[key]) === String(theirs[key]),
  );
}

/** The row rules where it is there. The stream carries at least what is to be delivered. */
export function wantedStream(settings: Settings, row: StreamRow | null): StreamWanted {
  if (row === null) return defaultWebhookStream(settings.STREAM_NAME, settings.SUBJECT);
  const missing = settings.SUBJECT.filter(
    (subject) => !row.subjects.some((carried) => covers(carried, subject)),
  );
  // A stream cannot carry a subject beside one that covers it.
  const others = row.subjects.filter((subject) => !missing.some((wider) => covers(wider, subject)));
  return { ...rowStream(row, [...others, ...missing]), change: isUntouched(row) ? 'following' : 'always' };
}

function rowStream(row: StreamRow, subjects: readonly string[]): StreamWanted {
  return {
    name: row.streamName,
    subjects,
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
