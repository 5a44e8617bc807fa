import type pg from 'pg';
import type { OutboxRow } from '../../core/outbox/outbox-row.ts';
import { LOCK_NAMESPACE, OUTBOX_BUCKETS } from '../connection/advisory-lock.ts';
import { storableNumber, storableText } from './storable.ts';
import { epochMs } from './time.ts';

/** The most bytes of data, headers and URLs that one claim reads; at least one row is read. */
const MOST_BYTES = 16_777_216;
/** The largest whole number that numeric(10,2) holds. */
const MAX_LATENCY_MS = 99_999_999;

const COLUMNS = `id, name, data::text AS data, webhook_url, headers::text AS headers, message_id, ordering_key, bucket,
    ${epochMs('deliver_at')} AS deliver_at, retries`;

/** As `requiredFeatures` in src/core/message judges a message. `$1` and `$2`: leave out such rows. */
const NOT_HELD = `
  AND NOT ($1 AND webhook_url IS NULL AND jsonb_typeof(data) = 'object' AND data ? 'webhook_url')
  AND NOT ($2 AND webhook_url IS NULL AND headers IS NOT NULL AND headers <> '{}')`;

const CLAIM = `
  SELECT ${COLUMNS} FROM (
    SELECT *, sum(bytes) OVER (ORDER BY id) - bytes AS bytes_before FROM (
      SELECT * FROM rule_nats_outbox
      WHERE failed_at IS NULL AND bucket IS NULL AND id > $3 AND name <> ALL ($4::text[]) ${NOT_HELD}
      ORDER BY id LIMIT $5 FOR UPDATE SKIP LOCKED
    ) claimed
  ) claimed
  WHERE bytes_before < ${MOST_BYTES}
  ORDER BY id`;

/**
 * A lock is asked for only where rows wait, because each asked lock costs as much as a look. The next statement begins at the first
 * row that waits, and so passes the dead rows before it only once.
 */
const LOCK_BUCKETS = `
  WITH due AS MATERIALIZED (
    SELECT (number - 1)::integer AS bucket
    FROM unnest($1::bigint[]) WITH ORDINALITY AS look (after_id, number)
    WHERE EXISTS (
      SELECT FROM rule_nats_outbox entry
      WHERE entry.bucket = (number - 1)::smallint AND entry.failed_at IS NULL AND entry.id > after_id
    )
  )
  SELECT bucket FROM due WHERE pg_try_advisory_xact_lock(${LOCK_NAMESPACE}, ${OUTBOX_BUCKETS} + bucket)`;

/**
 * A statement of its own after the locks: its snapshot shows what the last holder of the lock has committed. From the first row on:
 * of two keys that share a bucket, one may commit a row with a lower id than the last row that was read, and then its next row.
 */
const READ_BUCKETS = `
  SELECT ${COLUMNS} FROM (
    SELECT waiting.*, sum(bytes) OVER (PARTITION BY waiting.bucket ORDER BY id) - bytes AS bytes_before
    FROM unnest($1::smallint[]) AS held (bucket),
    LATERAL (
      SELECT * FROM rule_nats_outbox entry
      WHERE entry.bucket = held.bucket AND entry.failed_at IS NULL
      ORDER BY entry.id LIMIT $2
    ) waiting
  ) waiting
  WHERE bytes_before < $3
  ORDER BY id`;

const DELETE = 'DELETE FROM rule_nats_outbox WHERE id = ANY ($1::bigint[])';

const DELETE_INTO_HISTORY = `
  WITH published AS (
    DELETE FROM rule_nats_outbox WHERE id = ANY ($1::bigint[])
    RETURNING id, name, message_id, ordering_key, deliver_at, created_at, retries
  )
  INSERT INTO rule_nats_publish_history
    (subject, payload, published_at, message_id, sequence_number, success, latency_ms, triggered_by)
  SELECT answer.subject, ${about('published')}, clock_timestamp(), published.message_id, answer.sequence, true, answer.latency,
    'outbox'
  FROM published JOIN unnest($1::bigint[], $2::text[], $3::bigint[], $4::numeric[])
    AS answer (id, subject, sequence, latency) USING (id)`;

const SET_ASIDE = `
  UPDATE rule_nats_outbox entry SET failed_at = clock_timestamp(), error = answer.error
  FROM unnest($1::bigint[], $2::text[]) AS answer (id, error)
  WHERE entry.id = answer.id`;

/** With the row of `rule_webhooks`, because the views of the extension show only failures of a row. */
const ADD_FAILURES = `
  INSERT INTO rule_nats_publish_history
    (webhook_id, subject, payload, published_at, message_id, success, error_message, triggered_by)
  SELECT webhook.webhook_id, coalesce(answer.subject, 'webhooks.' || failed.name), ${about('failed')}, clock_timestamp(),
    failed.message_id, false, answer.error, 'outbox'
  FROM rule_nats_outbox failed JOIN unnest($1::bigint[], $2::text[], $3::text[]) AS answer (id, error, subject) USING (id)
  LEFT JOIN rule_webhooks webhook ON webhook.webhook_name = failed.name`;

function about(row: string): string {
  return `jsonb_strip_nulls(jsonb_build_object('outbox_id', ${row}.id, 'name', ${row}.name, 'enqueued_at', ${row}.created_at,
    'ordering_key', ${row}.ordering_key, 'deliver_at', ${row}.deliver_at, 'retries', ${row}.retries))`;
}

/** The oldest rows only, so that the index finds them; those whose time is not over stay. */
const DELETE_EXPIRED = `
  DELETE FROM rule_nats_publish_history
  WHERE publish_id IN (
    SELECT publish_id FROM rule_nats_publish_history
    WHERE triggered_by IN ('outbox', 'queue')
    ORDER BY published_at LIMIT $1
  ) AND expires_at < now()`;

const READ_INSTALLATION = 'SELECT installation_id FROM rule_nats_installation';

export type ClaimFilter = {
  readonly envelopeLike: boolean;
  readonly headersOfData: boolean;
  readonly names: readonly string[];
};

export type ClaimedRow = OutboxRow & { readonly bucket: number };

/** Locks and returns rows without an ordering key. */
export async function claimUnordered(
  client: pg.PoolClient,
  { envelopeLike, headersOfData, names }: ClaimFilter,
  afterId: number,
  most: number,
): Promise<readonly ClaimedRow[]> {
  const { rows } = await client.query(CLAIM, [envelopeLike, headersOfData, afterId, names, most]);
  return rows.map(rowOf);
}

/**
 * Locks the buckets in which rows with higher ids wait, and that no other relay has locked, until the end of the transaction.
 *
 * @param afterIds An id for each bucket.
 */
export async function lockBuckets(
  client: pg.PoolClient,
  afterIds: readonly number[],
): Promise<readonly number[]> {
  const { rows } = await client.query(LOCK_BUCKETS, [afterIds]);
  return rows.map(({ bucket }) => bucket);
}

/** The first rows of these buckets. @param most For each bucket. */
export async function readBuckets(
  client: pg.PoolClient,
  buckets: readonly number[],
  most: number,
): Promise<readonly ClaimedRow[]> {
  const { rows } = await client.query(READ_BUCKETS, [buckets, most, Math.ceil(MOST_BYTES / buckets.length)]);
  return rows.map(rowOf);
}

function rowOf(row: Readonly<Record<string, string | number | null>>): ClaimedRow {
  return {
    id: Number(row.id),
    name: String(row.name),
    data: String(row.data),
    webhookUrl: row.webhook_url as string | null,
    headers: row.headers as string | null,
    messageId: String(row.message_id),
    orderingKey: row.ordering_key as string | null,
    bucket: Number(row.bucket),
    deliverAt: row.deliver_at === null ? null : Number(row.deliver_at),
    retries: Number(row.retries),
  };
}

export type PublishedRow = {
  readonly id: number;
  readonly subject: string;
  readonly sequence: number;
  readonly latencyMs: number;
};

/** Deletes rows whose messages NATS has stored. @param inHistory Adds each to `rule_nats_publish_history`. */
export async function deletePublished(
  client: pg.PoolClient,
  rows: readonly PublishedRow[],
  inHistory: boolean,
): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ id }) => id);
  if (!inHistory) {
    await client.query(DELETE, [ids]);
    return;
  }
  await client.query(DELETE_INTO_HISTORY, [
    ids,
    rows.map(({ subject }) => subject),
    rows.map(({ sequence }) => sequence),
    rows.map(({ latencyMs }) => storableNumber(latencyMs, MAX_LATENCY_MS)),
  ]);
}

export type FailedRow = { readonly id: number; readonly subject: string | null; readonly error: string };

/** Marks rows that NATS never takes. @param inHistory Adds each to `rule_nats_publish_history`. */
export async function setAside(
  client: pg.PoolClient,
  rows: readonly FailedRow[],
  inHistory: boolean,
): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ id }) => id);
  const errors = rows.map(({ error }) => storableText(error));
  await client.query(SET_ASIDE, [ids, errors]);
  if (inHistory) await client.query(ADD_FAILURES, [ids, errors, rows.map(({ subject }) => subject)]);
}

/** Deletes at most `limit` expired rows of the relay's history. Returns how many. */
export async function deleteExpiredHistory(client: pg.PoolClient, limit: number): Promise<number> {
  return (await client.query(DELETE_EXPIRED, [limit])).rowCount ?? 0;
}

/** The id of this database among all that publish to one NATS. */
export async function readInstallationId(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query(READ_INSTALLATION);
  return rows[0].installation_id;
}
