import type pg from 'pg';
import { epochMs, timeOrNull } from './time.ts';

export type RecentDelivery = {
  readonly deliveryId: string;
  readonly subject: string;
  readonly url: string | null;
  readonly status: string;
  readonly attempts: number;
  readonly lastError: string | null;
  readonly lastAt: Date | null;
};

/** Finds the newest deliveries first, so that the view is computed only for the deliveries that are shown. */
const READ_RECENT = `
  WITH newest AS (
    SELECT delivery_id, max(happened_at) AS last_at
    FROM (
      (SELECT delivery_id, started_at AS happened_at FROM rule_nats_delivery_attempts
       ORDER BY started_at DESC LIMIT $1 * 5)
      UNION ALL
      (SELECT message_id, published_at FROM rule_nats_publish_history
       WHERE triggered_by = 'nats-webhook-worker' AND message_id IS NOT NULL
       ORDER BY published_at DESC LIMIT $1)
    ) events
    GROUP BY delivery_id ORDER BY last_at DESC LIMIT $1
  )
  SELECT newest.delivery_id, subject, url, status, attempts, last_error,
    ${epochMs('last_at')} AS last_ms
  FROM newest CROSS JOIN LATERAL (
    SELECT * FROM nats_deliveries d WHERE d.delivery_id = newest.delivery_id
  ) delivery
  ORDER BY last_at DESC`;

/** The deliveries with the newest attempts or dead letters, the newest first. */
export async function readRecentDeliveries(pool: pg.Pool, limit: number): Promise<RecentDelivery[]> {
  const { rows } = await pool.query(READ_RECENT, [limit]);
  return rows.map((row) => ({
    deliveryId: row.delivery_id,
    subject: row.subject,
    url: row.url,
    status: row.status,
    attempts: row.attempts,
    lastError: row.last_error,
    lastAt: timeOrNull(row.last_ms),
  }));
}

/** What became of one webhook at one endpoint. Times in milliseconds since 1970. */
export type DeliveryStory = {
  readonly endpoint: string | null;
  readonly status: string;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string | null;
  readonly deadLetterReason: string | null;
  readonly nextAttemptAt: Date | null;
  readonly firstAttemptAt: Date | null;
  readonly completedAt: Date | null;
};

const READ_STORY = `
  SELECT endpoint, status, attempts, last_status, last_error, dead_letter_reason,
    ${epochMs('next_retry_at')} AS next_ms, ${epochMs('first_attempt_at')} AS first_ms, ${epochMs('completed_at')} AS completed_ms
  FROM nats_deliveries WHERE delivery_id = $1 AND webhook_name = $2
  ORDER BY endpoint LIMIT 1000`;

/** One entry per endpoint that the webhook was sent to, or given up for. */
export async function readDeliveryStories(pool: pg.Pool, id: string, name: string): Promise<DeliveryStory[]> {
  const { rows } = await pool.query(READ_STORY, [id, name]);
  return rows.map((row) => ({
    endpoint: row.endpoint,
    status: row.status,
    attempts: row.attempts,
    lastStatus: row.last_status,
    lastError: row.last_error,
    deadLetterReason: row.dead_letter_reason,
    nextAttemptAt: timeOrNull(row.next_ms),
    firstAttemptAt: timeOrNull(row.first_ms),
    completedAt: timeOrNull(row.completed_ms),
  }));
}
