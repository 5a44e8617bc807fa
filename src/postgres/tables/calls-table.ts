import type pg from 'pg';
import type { CallResult } from '../../core/records/call-result.ts';
import {
  MAX_INTEGER,
  nullable,
  storableCount,
  storableNumber,
  storableText,
  storableTime,
} from './storable.ts';

/** Columns of our own tables tell these rows of the history apart from those of others. */
const WRITTEN_BY_QUEUE = `'queue'`;
const MAX_LATENCY_MS = 99_999_999;
const MARK_PUBLISHED = `
  WITH published AS (
    UPDATE rule_webhook_calls call SET status = 'processing', started_at = clock_timestamp()
    FROM unnest($1::integer[]) AS answer (call_id)
    WHERE call.call_id = answer.call_id
    RETURNING call.call_id, coalesce(call.retry_count, 0) AS retry_count
  )
  INSERT INTO rule_nats_call_messages (call_id, retry_count, message_id)
  SELECT call_id, retry_count, message_id
  FROM published JOIN unnest($1::integer[], $2::text[]) AS answer (call_id, message_id) USING (call_id)
  ON CONFLICT (call_id) DO UPDATE SET retry_count = EXCLUDED.retry_count, message_id = EXCLUDED.message_id,
    published_at = now(), checked_at = now()`;

const ADD_HISTORY = `
  INSERT INTO rule_nats_publish_history
    (webhook_id, subject, payload, published_at, message_id, sequence_number, success, error_message, latency_ms, triggered_by)
  SELECT call.webhook_id, answer.subject, jsonb_build_object('call_id', call.call_id, 'retry_count', call.retry_count),
    clock_timestamp(), answer.message_id, answer.sequence, answer.error IS NULL, answer.error, answer.latency, ${WRITTEN_BY_QUEUE}
  FROM unnest($1::integer[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::numeric[])
    AS answer (call_id, subject, message_id, sequence, error, latency)
  JOIN rule_webhook_calls call USING (call_id)`;

const MARK_FAILED = `
  UPDATE rule_webhook_calls call SET status = 'failed', completed_at = clock_timestamp(), error_message = answer.error
  FROM unnest($1::integer[], $2::text[]) AS answer (call_id, error)
  WHERE call.call_id = answer.call_id`;

/**
 * In the order of their ids, so that two workers cannot deadlock. Waits for a relay that has published the call and has not committed
 * yet.
 */
const LOCK_CALLS = `
  SELECT call_id FROM rule_webhook_calls
  WHERE call_id = ANY ($1::integer[]) AND EXISTS (SELECT FROM rule_nats_installation WHERE installation_id = $2)
  ORDER BY call_id FOR UPDATE`;

/** A call that is not over. A retry that an operator asked for meanwhile has another number. */
const IS_OPEN = `coalesce(call.retry_count, 0) = result.retry_count AND call.status IN ('pending', 'retrying', 'processing')`;

const ADD_ATTEMPTS = `
  INSERT INTO rule_webhook_call_history
    (call_id, attempt_number, started_at, completed_at, response_status, response_body, error_message, execution_time_ms)
  SELECT result.call_id, result.attempt_number, to_timestamp(result.started_at / 1000),
    to_timestamp((result.started_at + result.duration_ms) / 1000), result.status, result.body, result.error,
    round(result.duration_ms::numeric, 3)
  FROM unnest($1::integer[], $2::integer[], $3::integer[], $4::double precision[], $5::double precision[], $6::integer[],
    $7::text[], $8::text[])
    AS result (call_id, retry_count, attempt_number, started_at, duration_ms, status, body, error)
  JOIN rule_webhook_calls call ON call.call_id = result.call_id AND ${IS_OPEN}
  ORDER BY result.started_at`;

const FINISH = `
  WITH done AS (
    UPDATE rule_webhook_calls call SET status = result.status_text, completed_at = clock_timestamp(),
      response_status = result.status, response_body = result.body, error_message = result.error,
      execution_time_ms = round(result.duration_ms::numeric, 3), retry_count = greatest(result.attempts - 1, call.retry_count, 0)
    FROM unnest($1::integer[], $2::integer[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::double precision[], $8::integer[])
      AS result (call_id, retry_count, status_text, status, body, error, duration_ms, attempts)
    WHERE call.call_id = result.call_id AND ${IS_OPEN}
    RETURNING call.call_id
  )
  DELETE FROM rule_nats_call_messages message USING done WHERE message.call_id = done.call_id`;

/** Calls whose worker died before it wrote the result: their attempts tell it. A call that is deleted, or over, is forgotten. */
const SWEEP = `
  WITH checked AS (
    SELECT call_id, retry_count, message_id FROM rule_nats_call_messages
    WHERE checked_at < now() - $1 * interval '1 millisecond'
    ORDER BY checked_at LIMIT $2 FOR UPDATE SKIP LOCKED
  ), known AS (
    SELECT checked.call_id, checked.retry_count, delivery.*
    FROM checked, LATERAL (
      SELECT status, attempts, last_status, last_error, dead_letter_reason, completed_at FROM nats_deliveries
      WHERE delivery_id = checked.message_id AND status IN ('delivered', 'dead-lettered', 'discarded')
      ORDER BY completed_at DESC LIMIT 1
    ) delivery
  ), done AS (
    UPDATE rule_webhook_calls call SET status = CASE known.status WHEN 'delivered' THEN 'success' ELSE 'failed' END,
      completed_at = known.completed_at, response_status = known.last_status,
      error_message = CASE WHEN known.status <> 'delivered' THEN concat_ws(': ', known.dead_letter_reason, known.last_error) END,
      retry_count = greatest(known.attempts - 1, call.retry_count, 0)
    FROM known
    WHERE call.call_id = known.call_id AND coalesce(call.retry_count, 0) = known.retry_count
      AND call.status IN ('pending', 'retrying', 'processing')
    RETURNING call.call_id
  ), gone AS (
    SELECT checked.call_id FROM checked LEFT JOIN rule_webhook_calls call USING (call_id)
    WHERE call.call_id IS NULL OR call.status IN ('success', 'failed')
    UNION SELECT call_id FROM known
  ), forgotten AS (
    DELETE FROM rule_nats_call_messages message USING gone WHERE message.call_id = gone.call_id
  ), kept AS (
    UPDATE rule_nats_call_messages message SET checked_at = now() FROM checked
    WHERE message.call_id = checked.call_id AND checked.call_id NOT IN (SELECT call_id FROM gone)
  )
  SELECT count(*)::integer AS finished FROM done`;

const COUNT_WAITING = `
  SELECT coalesce(webhook.publish_mode, 'queue') AS mode, count(*)::integer AS calls
  FROM rule_webhook_calls call JOIN rule_webhooks webhook USING (webhook_id)
  WHERE call.status IN ('pending', 'retrying')
  GROUP BY 1`;

/** What NATS said of a call. `error`: it never takes the message. */
export type CallAnswer = {
  readonly callId: number;
  readonly messageId: string;
  readonly subject: string;
  readonly sequence: number | null;
  readonly latencyMs: number | null;
  readonly error: string | null;
};

/** @param history Which answers get a row in `rule_nats_publish_history`. */
export async function markCalls(
  client: pg.PoolClient,
  answers: readonly CallAnswer[],
  history: 'all' | 'failures' | 'off',
): Promise<void> {
  const published = answers.filter(({ error }) => error === null);
  const failed = answers.filter(({ error }) => error !== null);
  if (published.length > 0) {
    await client.query(MARK_PUBLISHED, [
      published.map(({ callId }) => callId),
      published.map(({ messageId }) => messageId),
    ]);
  }
  if (failed.length > 0) {
    await client.query(MARK_FAILED, [
      failed.map(({ callId }) => callId),
      failed.map(({ error }) => storableText(error!)),
    ]);
  }
  const recorded = history === 'all' ? answers : history === 'failures' ? failed : [];
  if (recorded.length === 0) return;
  await client.query(ADD_HISTORY, [
    recorded.map(({ callId }) => callId),
    recorded.map(({ subject }) => subject),
    recorded.map(({ messageId }) => messageId),
    recorded.map(({ sequence }) => sequence),
    recorded.map(({ error }) => nullable(error, storableText)),
    recorded.map(({ latencyMs }) => nullable(latencyMs, (ms) => storableNumber(ms, MAX_LATENCY_MS))),
  ]);
}

/** Writes results of calls of this database. @param results All of one installation. */
export async function writeResults(client: pg.PoolClient, results: readonly CallResult[]): Promise<void> {
  const ids = [...new Set(results.map(({ callId }) => callId))];
  const { rows } = await client.query(LOCK_CALLS, [ids, results[0]!.installationId]);
  const known = new Set(rows.map((row) => row.call_id));
  const ours = results.filter(({ callId }) => known.has(callId));
  const attempts = ours.filter(({ attempt }) => attempt !== null);
  if (attempts.length > 0) {
    await client.query(ADD_ATTEMPTS, [
      attempts.map(({ callId }) => callId),
      attempts.map(({ retryCount }) => retryCount),
      attempts.map(({ attempt }) => storableCount(attempt!.number, MAX_INTEGER)),
      attempts.map(({ attempt }) => storableTime(attempt!.startedAt)),
      attempts.map(({ attempt }) => storableCount(attempt!.durationMs * 1000) / 1000),
      attempts.map(({ status }) => status),
      attempts.map(({ responseExcerpt }) => nullable(responseExcerpt, storableText)),
      attempts.map(({ error }) => nullable(error, storableText)),
    ]);
  }
  const ended = ours.filter(({ end }) => end !== null);
  if (ended.length === 0) return;
  await client.query(FINISH, [
    ended.map(({ callId }) => callId),
    ended.map(({ retryCount }) => retryCount),
    ended.map(({ end }) => end),
    ended.map(({ status }) => status),
    ended.map(({ responseExcerpt }) => nullable(responseExcerpt, storableText)),
    ended.map(({ error }) => nullable(error, storableText)),
    ended.map(({ attempt }) => attempt && storableCount(attempt.durationMs * 1000) / 1000),
    ended.map(({ attempts: made }) => storableCount(made, MAX_INTEGER)),
  ]);
}

/** Finishes calls whose attempts tell that they are over. @returns How many. */
export async function sweepCalls(client: pg.PoolClient, olderThanMs: number, most: number): Promise<number> {
  return (await client.query(SWEEP, [olderThanMs, most])).rows[0].finished;
}

/** How many calls wait, by `publish_mode`. */
export async function countCalls(pool: pg.Pool): Promise<Readonly<Record<string, number>>> {
  const { rows } = await pool.query(COUNT_WAITING);
  return Object.fromEntries(rows.map((row) => [row.mode, row.calls]));
}
