import type pg from 'pg';
import type { EndpointRow } from '../../core/endpoint/row.ts';
import { storableText, storableTime } from './storable.ts';
import { webhookOf } from './webhook-row.ts';

/** What a row says of retries. */
export type RetryFields = Pick<
  EndpointRow,
  'name' | 'enabled' | 'problem' | 'maxAttempts' | 'retryDelayMs' | 'retryMultiplier' | 'retrySchedule'
> & {
  /** Later rows that say the same, and are not listed. */
  readonly alike: number;
};

/**
 * The enabled rows that say the same of retries, together: a registry of 100,000 rows has few different policies. An operator may
 * have restored a dump of the extension's table, which lacks our column: then the outer `retry_schedule` is meant.
 */
const READ_RETRIES = `
  SELECT retry_enabled, max_retries, retry_delay_ms, retry_backoff_multiplier, schedule AS retry_schedule, count(*)::integer AS rows,
    (array_agg(webhook_id ORDER BY webhook_id))[1:$1] AS ids,
    (array_agg(webhook_name ORDER BY webhook_id))[1:$1] AS names
  FROM (SELECT NULL::text AS retry_schedule) absent CROSS JOIN LATERAL (
    SELECT webhook_id, webhook_name, retry_enabled, max_retries, retry_delay_ms, retry_backoff_multiplier,
      retry_schedule AS schedule
    FROM rule_webhooks
    WHERE enabled IS NOT FALSE
  ) webhook
  GROUP BY 1, 2, 3, 4, 5`;

const DISABLE = `
  UPDATE rule_webhooks
  SET enabled = false, disabled_at = now(), disabled_reason = $2, failing_since = NULL, updated_at = now()
  WHERE webhook_id = $1 AND enabled IS NOT FALSE
    AND ($3::text IS NULL OR url = $3)
    AND ($4::double precision IS NULL OR date_trunc('milliseconds', failing_since) <= to_timestamp($4 / 1000))`;

const NOTE_FAILING = `
  UPDATE rule_webhooks SET failing_since = to_timestamp($2::double precision / 1000)
  WHERE webhook_id = $1 AND (failing_since IS NULL) <> ($2::double precision IS NULL)`;

/** An endpoint of a trial. If its receiver has another port now, the row follows; a row with another URL stays as it is. */
const PUT_TRIAL = `
  INSERT INTO rule_webhooks (webhook_name, url, description) VALUES ($1, $2, $3)
  ON CONFLICT (webhook_name) DO UPDATE SET url = excluded.url, updated_at = now()
  WHERE rule_webhooks.description = excluded.description AND rule_webhooks.url <> excluded.url`;

const IS_TRIAL = `
  SELECT 1 FROM rule_webhooks WHERE webhook_name = $1 AND description = $2`;

/**
 * Adds a row for a trial, or lets the row that an earlier trial added point to `url`. A row of somebody else stays as it is.
 *
 * @returns True if the row is of a trial. False: it is of somebody else.
 */
export async function putTrialWebhook(
  pool: pg.Pool,
  webhook: { readonly name: string; readonly url: string; readonly description: string },
): Promise<boolean> {
  await pool.query(PUT_TRIAL, [webhook.name, webhook.url, webhook.description]);
  return (await pool.query(IS_TRIAL, [webhook.name, webhook.description])).rowCount === 1;
}

/**
 * What the enabled rows say of retries, in the order of their ids.
 *
 * @param most How many rows that say the same are listed. The others are only counted.
 */
export async function readRetries(pool: pg.Pool, most: number): Promise<RetryFields[]> {
  const { rows } = await pool.query(READ_RETRIES, [most]);
  const listed = rows.flatMap(({ ids, names, ...policy }) =>
    (names as string[]).map((name, index) => {
      const row = webhookOf({ ...policy, webhook_id: ids[index], webhook_name: name }, []);
      return { ...row, alike: index === names.length - 1 ? policy.rows - names.length : 0 };
    }),
  );
  return listed.sort((one, other) => one.id - other.id);
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
