import type pg from 'pg';
import type { EndpointRow } from '../../core/endpoint/row.ts';
import { storableText, storableTime } from './storable.ts';
import { webhookOf } from './webhook-row.ts';

/**
 * Whole rows: an operator who restores a dump of the extension's tables comes without our columns, and those then say
 * nothing. `params` as text, since a number in it may have more digits than ours have. The newest secret is the first.
 */
const READ = `
  SELECT to_jsonb(webhook) || jsonb_build_object('params', (to_jsonb(webhook) -> 'params')::text) AS webhook,
    signing.secrets
  FROM rule_webhooks webhook LEFT JOIN (
    SELECT webhook_id, array_agg(secret_value ORDER BY created_at DESC NULLS LAST, secret_id DESC) AS secrets
    FROM rule_webhook_secrets
    WHERE (secret_name = 'signing_secret' OR starts_with(secret_name, 'signing_secret_')) AND secret_value <> ''
    GROUP BY webhook_id
  ) signing USING (webhook_id)
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

/**
 * All rows of `rule_webhooks`, in the order of their ids, with their signing secrets: also those without a subject, since
 * `webhooks.<name>` goes to the row of that name. No row makes it throw, whatever is in it: see `problem`.
 */
export async function readWebhooks(pool: pg.Pool): Promise<EndpointRow[]> {
  const { rows } = await pool.query(READ);
  return rows.map(({ webhook, secrets }) => webhookOf(webhook, secrets ?? []));
}

/**
 * Sets `enabled` to false, with time and reason. Any number of workers may ask for it: one of them does it.
 *
 * @param reason For a person; without secrets.
 * @param onlyIf What the worker saw, since an operator may have cured the row meanwhile: it has this URL; it fails since
 *   then, or longer (milliseconds since 1970).
 * @returns Whether this call did it.
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
 * Notes since when nothing was delivered to the endpoint, unless it is noted already, or null: that something was.
 *
 * @param since In milliseconds since 1970.
 * @returns Whether this call changed it.
 */
export async function noteFailing(pool: pg.Pool, id: number, since: number | null): Promise<boolean> {
  const { rowCount } = await pool.query(NOTE_FAILING, [id, since === null ? null : storableTime(since)]);
  return rowCount === 1;
}
