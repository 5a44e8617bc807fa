import type pg from 'pg';
import type { EndpointRow } from '../../core/endpoint/row.ts';
import { storableText, storableTime } from './storable.ts';
import { webhookOf } from './webhook-row.ts';

export type RetryFields = Pick<
  EndpointRow,
  'name' | 'enabled' | 'problem' | 'maxAttempts' | 'retryDelayMs' | 'retryMultiplier' | 'retrySchedule'
>;

/** Only what retries depend on, without secrets: `stats` reads it. */
const READ_RETRIES = `
  SELECT (
    SELECT jsonb_object_agg(field.key, field.value) FROM jsonb_each(to_jsonb(webhook)) field
    WHERE field.key IN ('webhook_id', 'webhook_name', 'enabled', 'retry_enabled', 'max_retries', 'retry_delay_ms',
      'retry_backoff_multiplier', 'retry_schedule')
  ) AS webhook
  FROM rule_webhooks webhook
  WHERE enabled IS NOT FALSE
  ORDER BY webhook_id`;

const DISABLE = `
  UPDATE rule_webhooks
  SET enabled = false, disabled_at = now(), disabled_reason = $2, failing_since = NULL, updated_at = now()
  WHERE webhook_id = $1 AND enabled IS NOT FALSE
    AND ($3::text IS NULL OR url = $3)
    AND ($4::double precision IS NULL OR date_trunc('milliseconds', failing_since) <= to_timestamp($4 / 1000))`;

const NOTE_FAILING = `
  UPDATE rule_webhooks SET failing_since = to_timestamp($2::double precision / 1000)
  WHERE webhook_id = $1 AND (failing_since IS NULL) <> ($2::double precision IS NULL)`;

/** What the enabled rows say of retries, in the order of their ids. */
export async function readRetries(pool: pg.Pool): Promise<RetryFields[]> {
  const { rows } = await pool.query(READ_RETRIES);
  return rows.map(({ webhook }) => webhookOf(webhook, []));
}

/**
 * Sets `enabled` to false, with time and reason. Any number of workers may call this at the same time: one of them changes the
 * row.
 *
 * @param reason For a person; without secrets.
 * @param onlyIf What the worker saw, because an operator may have corrected the row in the meantime: the row still has this URL;
 *   the endpoint has been failing since this time or longer (milliseconds since 1970).
 * @returns True if this call changed the row.
 */
export async function disableWebhook(
  pool: pg.Pool,
  id: number,
  reason: string,
  onlyIf: { readonly url?: string; readonly failingSince?: number } = {},
): Promise<boolean> {
  const { rowCount } = await pool.query(DISABLE, [
    id,
    storableText(reason),
    onlyIf.url ?? null,
    onlyIf.failingSince ?? null,
  ]);
  return rowCount === 1;
}

/**
 * Records since when every attempt at the endpoint has failed, unless that is already recorded; or clears the record.
 *
 * @param since In milliseconds since 1970; null: an attempt succeeded, so the record is cleared.
 * @returns True if this call changed the row.
 */
export async function noteFailing(pool: pg.Pool, id: number, since: number | null): Promise<boolean> {
  const { rowCount } = await pool.query(NOTE_FAILING, [id, since === null ? null : storableTime(since)]);
  return rowCount === 1;
}
