import type pg from 'pg';

/** A webhook that a program writes to the outbox, in its own transaction. */
export type EnqueuedWebhook = {
  readonly name: string;
  /** JSON. */
  readonly data: string;
  /** Null: to the rows of `rule_webhooks` that match the subject. */
  readonly webhookUrl: string | null;
  /** Headers of the request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as `webhook-id`. */
  readonly messageId: string;
  readonly orderingKey?: string | null;
};

const ENQUEUE = `
  SELECT webhook_enqueue($1, $2::jsonb, webhook_url => $3, headers => $4::jsonb, message_id => $5, ordering_key => $6)`;

/** Enqueues a webhook, as the program of a user does. */
export async function enqueueWebhook(
  client: pg.PoolClient,
  { name, data, webhookUrl, headers, messageId, orderingKey = null }: EnqueuedWebhook,
): Promise<void> {
  const named = headers === undefined ? null : JSON.stringify(headers);
  await client.query(ENQUEUE, [name, data, webhookUrl, named, messageId, orderingKey]);
}

/** A row of `rule_nats_outbox`. `error`: why NATS refuses it; null: it waits. */
export type RowLeft = { readonly messageId: string; readonly error: string | null };

const COUNT_WAITING = `
  SELECT count(*)::integer AS count FROM rule_nats_outbox WHERE failed_at IS NULL AND starts_with(message_id, $1)`;
const ROWS_LEFT = `
  SELECT message_id, CASE WHEN failed_at IS NOT NULL THEN coalesce(error, 'refused') END AS error
  FROM rule_nats_outbox WHERE starts_with(message_id, $1) ORDER BY id LIMIT $2`;

/** How many rows wait whose `message_id` starts with `prefix`. */
export async function countWaitingRows(pool: pg.Pool, prefix: string): Promise<number> {
  return (await pool.query(COUNT_WAITING, [prefix])).rows[0].count;
}

/** The rows whose `message_id` starts with `prefix`, at most `limit`. */
export async function readRowsLeft(pool: pg.Pool, prefix: string, limit: number): Promise<RowLeft[]> {
  const { rows } = await pool.query(ROWS_LEFT, [prefix, limit]);
  return rows.map((row) => ({ messageId: row.message_id, error: row.error }));
}
