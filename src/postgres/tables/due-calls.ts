import type pg from 'pg';
import { epochMs } from './time.ts';

/** The most bytes of payloads that one claim of each kind reads; at least one call is read. */
const MOST_BYTES = 16_777_216;

/**
 * By `scheduled_at` alone, which the index has: all calls of one statement have the same, and sorting them by `call_id` would sort all
 * of them for each claim. Only the call is locked against others; its webhook is only kept from being deleted, because the history
 * refers to it.
 */
const claim = (status: string, due: string) => `
  SELECT call_id, webhook_id, payload::text AS payload, retry_count, ${epochMs('due_at')} AS due_at FROM (
    SELECT *, sum(octet_length(payload::text)) OVER (ORDER BY due_at, call_id) - octet_length(payload::text) AS bytes_before FROM (
      SELECT call.call_id, call.webhook_id, call.payload, coalesce(call.retry_count, 0) AS retry_count, call.${due} AS due_at
      FROM rule_webhook_calls call JOIN rule_webhooks webhook ON webhook.webhook_id = call.webhook_id
      WHERE call.status = '${status}' AND call.${due} <= now()
        AND webhook.enabled AND coalesce(webhook.publish_mode, 'queue') = ANY ($1::text[])
      ORDER BY call.${due} LIMIT $2
      FOR UPDATE OF call SKIP LOCKED FOR KEY SHARE OF webhook SKIP LOCKED
    ) claimed
  ) claimed
  WHERE bytes_before < ${MOST_BYTES}
  ORDER BY claimed.due_at`;

const CLAIM_PENDING = claim('pending', 'scheduled_at');
const CLAIM_RETRYING = claim('retrying', 'next_retry_at');

export type ClaimedCall = {
  readonly callId: number;
  readonly webhookId: number;
  /** JSON. */
  readonly payload: string;
  readonly retryCount: number;
};

/** Locks and returns calls that are due, those that wait longest first: new ones, and those that an operator let be tried again. */
export async function claimCalls(
  client: pg.PoolClient,
  modes: readonly string[],
  most: number,
): Promise<readonly ClaimedCall[]> {
  const pending = await client.query(CLAIM_PENDING, [modes, most]);
  const retrying = await client.query(CLAIM_RETRYING, [modes, most]);
  const calls = [...pending.rows, ...retrying.rows].sort((a, b) => Number(a.due_at) - Number(b.due_at));
  return calls.slice(0, most).map((row) => ({
    callId: row.call_id,
    webhookId: row.webhook_id,
    payload: row.payload,
    retryCount: row.retry_count,
  }));
}
