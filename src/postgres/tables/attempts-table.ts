import type pg from 'pg';
import type { AttemptRecord } from '../../core/records/statistics.ts';
import {
  indexedText,
  MAX_INTEGER,
  nameText,
  nullable,
  storableCount,
  storableNumber,
  storableText,
  storableTime,
} from './storable.ts';

const INSERT = `
  INSERT INTO rule_nats_delivery_attempts
    (delivery_id, attempt_number, subject, endpoint_key, url, method, outcome, status, error, response_excerpt,
     started_at, duration_ms, verdict, dead_letter_reason, next_attempt_at, worker)
  SELECT delivery_id, attempt_number, subject, endpoint_key, url, method, outcome, status, error, response_excerpt,
    to_timestamp(started_at / 1000), duration_ms, verdict, dead_letter_reason, to_timestamp(next_attempt_at / 1000), $16
  FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[],
      $9::text[], $10::text[], $11::double precision[], $12::numeric[], $13::text[], $14::text[],
      $15::double precision[])
    AS record (delivery_id, attempt_number, subject, endpoint_key, url, method, outcome, status, error,
      response_excerpt, started_at, duration_ms, verdict, dead_letter_reason, next_attempt_at)`;

const COUNT = 'SELECT count(*)::float8 AS rows FROM rule_nats_delivery_attempts';

/** The largest whole number that numeric(12,3) holds. */
const MAX_DURATION_MS = 999_999_999;

/** The partitions of all rows must exist: see `ensurePartitions`. */
export async function insertAttempts(
  client: pg.PoolClient,
  worker: string,
  records: readonly AttemptRecord[],
): Promise<void> {
  if (records.length === 0) return;
  await client.query(INSERT, [
    records.map((record) => indexedText(record.deliveryId)),
    numbers(records, (record) => storableCount(record.attemptNumber, MAX_INTEGER)),
    records.map((record) => storableText(record.subject)),
    records.map((record) => indexedText(record.endpointKey)),
    records.map((record) => storableText(record.url)),
    records.map((record) => storableText(record.method)),
    records.map((record) => record.outcome),
    numbers(records, (record) => nullable(record.status, (status) => storableCount(status, MAX_INTEGER))),
    records.map((record) => nullable(record.error, storableText)),
    records.map((record) => nullable(record.responseExcerpt, storableText)),
    numbers(records, (record) => storableTime(record.startedAt)),
    numbers(records, (record) => storableNumber(record.durationMs, MAX_DURATION_MS)),
    records.map((record) => record.verdict),
    records.map((record) => record.deadLetterReason),
    numbers(records, (record) => nullable(record.nextAttemptAt, storableTime)),
    nameText(worker),
  ]);
}

/** An array literal of PostgreSQL. Joining the numbers costs a tenth of the time that `pg` needs to quote each number. */
function numbers(
  records: readonly AttemptRecord[],
  column: (record: AttemptRecord) => number | null,
): string {
  return `{${records.map((record) => column(record) ?? 'NULL').join(',')}}`;
}

/** The number of all attempt rows. Slow: reads the whole table. */
export async function countAttempts(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ rows: number }>(COUNT);
  return rows[0]!.rows;
}
