import type { Settings } from '../../config/settings.ts';
import { covers, overlap } from '../../core/subject.ts';
import { defaultWebhookStream, type StreamWanted } from '../../nats/streams/stream-config.ts';
import type { StreamRow } from '../../postgres/tables/streams-table.ts';
import { UserError } from '../../runtime/failure.ts';

/**
 * Checks that no two subjects overlap. The server refuses overlapping subjects in a stream and in a durable, and its error does
 * not name the setting.
 *
 * @throws {UserError} With both subjects and the setting.
 */
export function requireDistinct(subjects: readonly string[]): void {
  for (const [index, subject] of subjects.entries()) {
    const other = subjects.slice(0, index).find((earlier) => overlap(earlier, subject));
    if (other !== undefined) {
      throw new UserError(
        `SUBJECT: ${other} and ${subject} overlap. Remove one of the subjects, or make them distinct.`,
      );
    }
  }
}

/**
 * True for the row that a migration inserts for WEBHOOKS, while it is unchanged. Such a row must not change a stream of the
 * user.
 */
function isUntouched(row: StreamRow): boolean {
  const ours = defaultWebhookStream(row.streamName, ['webhooks.*']);
  const theirs = rowStream(row, row.subjects);
  return (Object.keys(ours) as (keyof StreamWanted)[]).every(
    (key) => String(ours[key]) === String(theirs[key]),
  );
}

/**
 * The wanted stream: the row of `rule_nats_streams` if it exists, otherwise the default. Always contains the subjects of
 * SUBJECT.
 */
export function wantedStream(settings: Settings, row: StreamRow | null): StreamWanted {
  if (row === null) return defaultWebhookStream(settings.STREAM_NAME, settings.SUBJECT);
  const missing = settings.SUBJECT.filter(
    (subject) => !row.subjects.some((carried) => covers(carried, subject)),
  );
  // A stream cannot have a subject together with a wider subject that covers it.
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
