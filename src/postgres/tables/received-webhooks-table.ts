import type pg from 'pg';
import { indexedText, nameText, storableText, storableTime } from './storable.ts';
import { epochMs } from './time.ts';

/** A webhook that the HTTP API took in. Times in milliseconds since 1970. */
export type ReceivedWebhook = {
  readonly id: string;
  readonly name: string;
  readonly eventType: string | null;
  readonly eventId: string | null;
  readonly sequence: number;
  readonly receivedAt: number;
};

const INSERT = `
  INSERT INTO rule_nats_webhooks (delivery_id, webhook_name, event_type, event_id, stream_sequence, received_at)
  SELECT id, name, event_type, event_id, sequence, to_timestamp(received / 1000)
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::double precision[])
    AS webhook (id, name, event_type, event_id, sequence, received)
  ON CONFLICT (delivery_id) DO NOTHING`;

const READ = `
  SELECT webhook_name, event_type, event_id, stream_sequence::double precision AS sequence,
    ${epochMs('received_at')} AS received_ms
  FROM rule_nats_webhooks WHERE delivery_id = $1`;

const DELETE_OLD = `
  DELETE FROM rule_nats_webhooks WHERE delivery_id IN (
    SELECT delivery_id FROM rule_nats_webhooks WHERE received_at < to_timestamp($1 / 1000.0) LIMIT $2
  )`;

export async function insertReceivedWebhooks(
  pool: pg.Pool,
  webhooks: readonly ReceivedWebhook[],
): Promise<void> {
  const nullable = (text: string | null) => (text === null ? null : storableText(text));
  await pool.query(INSERT, [
    webhooks.map(({ id }) => indexedText(id)),
    webhooks.map(({ name }) => nameText(name)),
    webhooks.map(({ eventType }) => nullable(eventType)),
    webhooks.map(({ eventId }) => nullable(eventId)),
    webhooks.map(({ sequence }) => sequence),
    webhooks.map(({ receivedAt }) => storableTime(receivedAt)),
  ]);
}

/** Null: there is no row of this id. */
export async function readReceivedWebhook(pool: pg.Pool, id: string): Promise<ReceivedWebhook | null> {
  const { rows } = await pool.query(READ, [indexedText(id)]);
  const [row] = rows;
  if (row === undefined) return null;
  return {
    id,
    name: row.webhook_name,
    eventType: row.event_type,
    eventId: row.event_id,
    sequence: row.sequence,
    receivedAt: Number(row.received_ms),
  };
}

/** @param before In milliseconds since 1970. @returns How many were deleted, at most `limit`. */
export async function deleteOldReceivedWebhooks(
  client: pg.PoolClient,
  before: number,
  limit: number,
): Promise<number> {
  return (await client.query(DELETE_OLD, [before, limit])).rowCount ?? 0;
}

/** Deliveries of the last 24 hours by what they have in common. `hour`: its beginning, in milliseconds since 1970. */
export type WebhookCount = {
  readonly name: string;
  readonly eventType: string | null;
  readonly status: string;
  readonly hour: number;
  readonly deliveries: number;
};

const READ_COUNTS = `
  SELECT webhook_name, event_type, status, ${epochMs('hour')} AS hour_ms, deliveries::double precision AS deliveries
  FROM nats_webhook_counts ORDER BY hour, webhook_name, event_type, status`;

export async function readWebhookCounts(client: pg.Pool | pg.PoolClient): Promise<WebhookCount[]> {
  const { rows } = await client.query(READ_COUNTS);
  return rows.map((row) => ({
    name: row.webhook_name,
    eventType: row.event_type,
    status: row.status,
    hour: Number(row.hour_ms),
    deliveries: row.deliveries,
  }));
}
