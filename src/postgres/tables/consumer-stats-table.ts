import type pg from 'pg';
import {
  COUNTER_NAMES,
  COUNTERS,
  type Counters,
  type StatisticsFlush,
} from '../../core/records/statistics.ts';
import { nameText, nullable, storableCount, storableNumber } from './storable.ts';
import { epochMs, timeOrNull } from './time.ts';

/** Each counter with its column and its parameter. Four other parameters come first. */
const COLUMNS = COUNTER_NAMES.map((name, index) => {
  const { column, unit } = COUNTERS[name];
  const parameter = `$${index + 5}::${unit === 'count' ? 'bigint' : 'double precision'}`;
  // The extension's own columns may be NULL.
  return { name, column, unit, parameter, sum: `coalesce(row.${column}, 0) + EXCLUDED.${column}` };
});

const columnOf = (name: keyof Counters) => COLUMNS.find((column) => column.name === name)!;

/** An average that is too large for its column is cut; without deliveries it is NULL. */
const average = (processingMs: string, settled: string) =>
  `least(${processingMs}, 99999999.99 * (${settled})) / nullif(${settled}, 0)`;

/**
 * Adds to the row, so that several workers can share it. Every flush marks the row as active, also the last flush of a process:
 * `markDeadConsumersInactive`, in the same transaction, then decides.
 */
const ADD = `
  INSERT INTO rule_nats_consumer_stats AS row
    (stream_name, consumer_name, queue_group, ack_policy, max_deliver, messages_pending,
     ${COLUMNS.map(({ column }) => column).join(', ')},
     avg_processing_time_ms, last_active_at, active)
  VALUES ($1, $2, $3, 'explicit', -1, coalesce($4::bigint, 0),
    ${COLUMNS.map(({ parameter }) => parameter).join(', ')},
    ${average(columnOf('processingMs').parameter, columnOf('settled').parameter)}, now(), true)
  ON CONFLICT (stream_name, consumer_name) DO UPDATE
  SET queue_group = EXCLUDED.queue_group,
    ack_policy = EXCLUDED.ack_policy,
    max_deliver = EXCLUDED.max_deliver,
    messages_pending = coalesce($4::bigint, row.messages_pending),
    ${COLUMNS.map(({ column, sum }) => `${column} = ${sum}`).join(',\n    ')},
    avg_processing_time_ms = ${average(columnOf('processingMs').sum, columnOf('settled').sum)},
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

/** The counters that people read. */
type Count = {
  [K in keyof Counters]: (typeof COUNTERS)[K]['unit'] extends 'count' ? K : never;
}[keyof Counters];

const COUNTS = COLUMNS.filter(({ unit }) => unit === 'count');

const READ = `
  SELECT consumer_name, queue_group, messages_pending,
    ${COUNTS.map(({ column }) => column).join(', ')},
    avg_processing_time_ms, ${epochMs('last_active_at')} AS last_active_ms, active
  FROM rule_nats_consumer_stats WHERE stream_name = $1 ORDER BY consumer_name`;

/** A row of `rule_nats_consumer_stats`, for display. */
export type ConsumerStats = { readonly [K in Count]: number } & {
  readonly consumerName: string;
  readonly queueGroup: string | null;
  readonly pending: number;
  /** Null until a message was delivered. */
  readonly avgProcessingMs: number | null;
  readonly lastActiveAt: Date | null;
  readonly active: boolean;
};

export async function addToConsumer(client: pg.PoolClient, flush: StatisticsFlush): Promise<void> {
  await client.query(ADD, [
    nameText(flush.streamName),
    nameText(flush.consumerName),
    nameText(flush.queueGroup),
    nullable(flush.progress?.pending ?? null, storableCount),
    ...COLUMNS.map(({ name, unit }) =>
      unit === 'count'
        ? storableCount(flush.counters[name])
        : storableNumber(flush.counters[name], Number.MAX_SAFE_INTEGER),
    ),
  ]);
}

/** Marks the rows as inactive that have no active instance any more. */
export async function markDeadConsumersInactive(client: pg.PoolClient): Promise<void> {
  await client.query(MARK_DEAD_INACTIVE);
}

export async function readConsumerStats(pool: pg.Pool, streamName: string): Promise<ConsumerStats[]> {
  const { rows } = await pool.query(READ, [streamName]);
  return rows.map((row) => ({
    ...(Object.fromEntries(COUNTS.map(({ name, column }) => [name, Number(row[column])])) as Record<
      Count,
      number
    >),
    consumerName: row.consumer_name,
    queueGroup: row.queue_group,
    pending: Number(row.messages_pending),
    avgProcessingMs: nullable(row.avg_processing_time_ms, Number),
    lastActiveAt: timeOrNull(row.last_active_ms),
    active: row.active === true,
  }));
}
