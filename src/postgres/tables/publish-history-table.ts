import type pg from 'pg';
import type { DeadLetterRecord } from '../../core/records/statistics.ts';
import {
  indexedText,
  MAX_INTEGER,
  nullable,
  storableCount,
  storableNumber,
  storableText,
  storableTime,
} from './storable.ts';

/** Marks our rows in the table that we share with the extension. The partial indexes of the migrations use the same value. */
const WRITTEN_BY_US = `'nats-webhook-worker'`;

const INSERT = `
  INSERT INTO rule_nats_publish_history
    (subject, payload, published_at, message_id, sequence_number, success, error_message, latency_ms, triggered_by)
  SELECT subject, payload, to_timestamp(published_at / 1000), message_id, sequence_number, false, error_message,
    latency_ms, ${WRITTEN_BY_US}
  FROM unnest($1::text[], $2::jsonb[], $3::double precision[], $4::text[], $5::bigint[], $6::text[], $7::numeric[])
    AS record (subject, payload, published_at, message_id, sequence_number, error_message, latency_ms)`;

const DELETE_EXPIRED = `
  DELETE FROM rule_nats_publish_history
  WHERE publish_id IN (
    SELECT publish_id FROM rule_nats_publish_history
    WHERE triggered_by = ${WRITTEN_BY_US} AND expires_at < to_timestamp($1 / 1000.0)
    LIMIT $2
  )`;

/** The largest whole number that numeric(10,2) holds. */
const MAX_LATENCY_MS = 99_999_999;

/**
 * Stores deliveries that were given up. The body is the only part of the webhook that is stored, and only if the record holds it.
 */
export async function insertDeadLetters(
  client: pg.PoolClient,
  records: readonly DeadLetterRecord[],
): Promise<void> {
  if (records.length === 0) return;
  await client.query(INSERT, [
    records.map((record) => indexedText(record.subject)),
    records.map(payloadOf),
    records.map((record) => storableTime(record.at)),
    records.map((record) => indexedText(record.deliveryId)),
    records.map((record) => storableCount(record.sequence)),
    records.map((record) => storableText(`${record.reason}: ${record.error}`)),
    records.map((record) => storableNumber(record.durationMs, MAX_LATENCY_MS)),
  ]);
}

function payloadOf(record: DeadLetterRecord): string {
  const about = JSON.stringify({
    delivery_id: indexedText(record.deliveryId),
    reason: record.reason,
    attempts: storableCount(record.attempts, MAX_INTEGER),
    url: nullable(record.url, storableText),
    endpoint_key: nullable(record.endpointKey, indexedText),
    // Not the column of the table: it may refer to rule_webhooks, and would refuse a row that is deleted.
    webhook_id: record.webhookId,
    // Left out if there are none, as in the rows of older workers.
    event_type: nullable(record.eventType, indexedText) ?? undefined,
    event_id: nullable(record.eventId, indexedText) ?? undefined,
    webhook_name: nullable(record.webhookName, indexedText) ?? undefined,
  });
  // The payload is inserted as text: parsing it would change its numbers.
  return record.payload === null ? about : `${about.slice(0, -1)},"data":${record.payload}}`;
}

/**
 * Deletes at most `limit` of our expired dead letters.
 *
 * @param now In milliseconds since 1970. @returns How many were deleted.
 */
export async function deleteExpired(client: pg.PoolClient, now: number, limit: number): Promise<number> {
  return (await client.query(DELETE_EXPIRED, [now, limit])).rowCount ?? 0;
}
