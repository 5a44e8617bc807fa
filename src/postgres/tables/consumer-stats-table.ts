import type pg from 'pg';
import type { StatisticsFlush } from '../../core/records/statistics.ts';
import { nameText, nullable, storableCount, storableNumber } from './storable.ts';

/**
 * Adds to the row, so that several workers can share it. The extension's own columns may be NULL. Every flush marks the row as
 * active, also the last flush of a process: `markDeadConsumersInactive`, in the same transaction, then decides. An average that
 * is too large for its column is cut; without deliveries it is NULL.
 */
const ADD = `
  INSERT INTO rule_nats_consumer_stats AS row
    (stream_name, consumer_name, queue_group, ack_policy, max_deliver,
     messages_delivered, messages_acknowledged, messages_redelivered, messages_pending,
     messages_retried, messages_dead_lettered, messages_handed_back, messages_parked, messages_dropped,
     http_attempts, rows_dropped, processing_time_ms_total, avg_processing_time_ms, last_active_at, active)
  VALUES ($1, $2, $3, 'explicit', -1, $4, $5, $6, coalesce($7::bigint, 0), $8, $9, $10, $11, $12, $13, $14,
    $15::double precision, least($15::double precision, 99999999.99 * $4::bigint) / nullif($4::bigint, 0), now(), true)
  ON CONFLICT (stream_name, consumer_name) DO UPDATE
  SET queue_group = EXCLUDED.queue_group,
    ack_policy = EXCLUDED.ack_policy,
    max_deliver = EXCLUDED.max_deliver,
    messages_delivered = coalesce(row.messages_delivered, 0) + EXCLUDED.messages_delivered,
    messages_acknowledged = coalesce(row.messages_acknowledged, 0) + EXCLUDED.messages_acknowledged,
    messages_redelivered = coalesce(row.messages_redelivered, 0) + EXCLUDED.messages_redelivered,
    messages_pending = coalesce($7::bigint, row.messages_pending),
    messages_retried = row.messages_retried + EXCLUDED.messages_retried,
    messages_dead_lettered = row.messages_dead_lettered + EXCLUDED.messages_dead_lettered,
    messages_handed_back = row.messages_handed_back + EXCLUDED.messages_handed_back,
    messages_parked = row.messages_parked + EXCLUDED.messages_parked,
    messages_dropped = row.messages_dropped + EXCLUDED.messages_dropped,
    http_attempts = row.http_attempts + EXCLUDED.http_attempts,
    rows_dropped = row.rows_dropped + EXCLUDED.rows_dropped,
    processing_time_ms_total = row.processing_time_ms_total + EXCLUDED.processing_time_ms_total,
    avg_processing_time_ms = least(row.processing_time_ms_total + EXCLUDED.processing_time_ms_total,
        99999999.99 * (coalesce(row.messages_delivered, 0) + EXCLUDED.messages_delivered))
      / nullif(coalesce(row.messages_delivered, 0) + EXCLUDED.messages_delivered, 0),
    last_active_at = now(),
    updated_at = now(),
    active = true`;

/**
 * A row is active while an instance with its name is active. Rows without any instance belong to another program. A locked row is
 * left out: a running flush holds it and updates it, and waiting for that flush could end in a deadlock.
 */
const MARK_DEAD_INACTIVE = `
  UPDATE rule_nats_consumer_stats SET active = false, updated_at = now()
  WHERE consumer_id IN (
    SELECT consumer_id FROM rule_nats_consumer_stats consumer
    WHERE active
      AND EXISTS (
        SELECT FROM rule_nats_worker_instances instance
        WHERE instance.stream_name = consumer.stream_name AND instance.consumer_name = consumer.consumer_name)
      AND NOT EXISTS (
        SELECT FROM rule_nats_worker_instances instance
        WHERE instance.stream_name = consumer.stream_name AND instance.consumer_name = consumer.consumer_name
          AND instance.active)
    FOR UPDATE SKIP LOCKED
  )`;

const READ = `
  SELECT consumer_name, queue_group, messages_delivered, messages_acknowledged, messages_redelivered, messages_pending,
    messages_retried, messages_dead_lettered, messages_handed_back, messages_parked, messages_dropped,
    http_attempts, rows_dropped,
    avg_processing_time_ms::double precision AS avg_processing_time_ms, last_active_at, active
  FROM rule_nats_consumer_stats WHERE stream_name = $1 ORDER BY consumer_name`;

/** A row of `rule_nats_consumer_stats`, for display. */
export type ConsumerStats = {
  readonly consumerName: string;
  readonly queueGroup: string | null;
  readonly delivered: number;
  readonly acknowledged: number;
  readonly redelivered: number;
  readonly retried: number;
  readonly deadLettered: number;
  readonly handedBack: number;
  readonly parked: number;
  /** Messages whose event no row of `rule_webhooks` accepted. */
  readonly dropped: number;
  readonly attempts: number;
  readonly rowsDropped: number;
  readonly pending: number;
  /** Null until a message was delivered. */
  readonly avgProcessingMs: number | null;
  readonly lastActiveAt: Date | null;
  readonly active: boolean;
};

export async function addToConsumer(client: pg.PoolClient, flush: StatisticsFlush): Promise<void> {
  const { counters } = flush;
  await client.query(ADD, [
    nameText(flush.streamName),
    nameText(flush.consumerName),
    nameText(flush.queueGroup),
    storableCount(counters.delivered),
    storableCount(counters.acknowledged),
    storableCount(counters.redelivered),
    nullable(flush.progress?.pending ?? null, storableCount),
    storableCount(counters.retried),
    storableCount(counters.deadLettered),
    storableCount(counters.handedBack),
    storableCount(counters.parked),
    storableCount(counters.dropped),
    storableCount(counters.attempts),
    storableCount(counters.rowsDropped),
    storableNumber(counters.processingMs, Number.MAX_SAFE_INTEGER),
  ]);
}

/** Marks the rows as inactive that have no active instance any more. */
export async function markDeadConsumersInactive(client: pg.PoolClient): Promise<void> {
  await client.query(MARK_DEAD_INACTIVE);
}

export async function readConsumerStats(pool: pg.Pool, streamName: string): Promise<ConsumerStats[]> {
  const { rows } = await pool.query(READ, [streamName]);
  return rows.map((row) => ({
    consumerName: row.consumer_name,
    queueGroup: row.queue_group,
    delivered: Number(row.messages_delivered),
    acknowledged: Number(row.messages_acknowledged),
    redelivered: Number(row.messages_redelivered),
    retried: Number(row.messages_retried),
    deadLettered: Number(row.messages_dead_lettered),
    handedBack: Number(row.messages_handed_back),
    parked: Number(row.messages_parked),
    dropped: Number(row.messages_dropped),
    attempts: Number(row.http_attempts),
    rowsDropped: Number(row.rows_dropped),
    pending: Number(row.messages_pending),
    avgProcessingMs: row.avg_processing_time_ms,
    lastActiveAt: row.last_active_at,
    active: row.active === true,
  }));
}
