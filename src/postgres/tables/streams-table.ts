import type pg from 'pg';

/** The wanted configuration of a stream: a row of `rule_nats_streams`, the extension's table. */
export type StreamRow = {
  readonly streamName: string;
  readonly subjects: string[];
  readonly description: string | null;
  readonly storageType: 'memory' | 'file';
  /** -1: no limit. */
  readonly maxMessages: number;
  /** -1: no limit. */
  readonly maxBytes: number;
  /** 0: messages do not expire. */
  readonly maxAgeSeconds: number;
  readonly retentionPolicy: 'limits' | 'interest' | 'workqueue';
  readonly discardPolicy: 'old' | 'new';
  readonly replicas: number;
  readonly duplicateWindowSeconds: number;
};

/** The table lets most columns be NULL. */
const READ = `
  SELECT stream.stream_name, array_remove(subjects, NULL) AS subjects, description, coalesce(storage_type, 'file') AS storage_type,
    coalesce(max_messages, -1) AS max_messages, coalesce(max_bytes, -1) AS max_bytes,
    coalesce(max_age_seconds, 0) AS max_age_seconds, coalesce(retention_policy, 'limits') AS retention_policy,
    coalesce(discard_policy, 'old') AS discard_policy, coalesce(replicas, 1) AS replicas,
    coalesce(duplicate_window_seconds, 120) AS duplicate_window_seconds
  FROM rule_nats_streams stream JOIN rule_nats_config config USING (config_id)
  WHERE stream.stream_name = $1 AND stream.enabled IS NOT FALSE
  ORDER BY config.config_name = 'default' DESC, stream.stream_id
  LIMIT 1`;

/**
 * The longest age, 100 years in seconds. NATS counts ages in nanoseconds of 64 bits, and a JavaScript number holds fewer bits.
 */
const LONGEST_AGE_SECONDS = 3_153_600_000;

/** The enabled row for this stream, the row of the configuration `default` first; null if there is none. */
export async function readStreamRow(pool: pg.Pool, streamName: string): Promise<StreamRow | null> {
  const { rows } = await pool.query(READ, [streamName]);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    streamName: row.stream_name,
    subjects: row.subjects,
    description: row.description,
    storageType: row.storage_type,
    maxMessages: limitOf(row.max_messages, Number.MAX_SAFE_INTEGER, -1),
    maxBytes: limitOf(row.max_bytes, Number.MAX_SAFE_INTEGER, -1),
    maxAgeSeconds: limitOf(row.max_age_seconds, LONGEST_AGE_SECONDS, 0),
    retentionPolicy: row.retention_policy,
    discardPolicy: row.discard_policy,
    replicas: row.replicas,
    duplicateWindowSeconds: row.duplicate_window_seconds,
  };
}

/** A limit that is too large for NATS counts as no limit. */
function limitOf(bigint: string, largest: number, none: number): number {
  const value = Number(bigint);
  return value > largest ? none : value;
}
