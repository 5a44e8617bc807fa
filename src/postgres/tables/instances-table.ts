import type pg from 'pg';
import type { StatisticsFlush } from '../../core/records/statistics.ts';
import { nameText, storableCount, storableText } from './storable.ts';

/**
 * The first flush of an instance adds its row, with what does not change later. A flush that is not newer than the last flush
 * changes nothing, and returns no row.
 */
const CLAIM = `
  INSERT INTO rule_nats_worker_instances AS instance
    (instance_id, stream_name, consumer_name, queue_group, last_number, silent_after_ms, active, version, features, settings)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
  ON CONFLICT (instance_id) DO UPDATE
  SET last_number = EXCLUDED.last_number, silent_after_ms = EXCLUDED.silent_after_ms, last_active_at = now(),
    queue_group = EXCLUDED.queue_group, active = EXCLUDED.active
  WHERE instance.last_number < EXCLUDED.last_number`;

/** The same with the columns alone that the table had from its beginning. */
const CLAIM_ALONE = `
  INSERT INTO rule_nats_worker_instances AS instance
    (instance_id, stream_name, consumer_name, last_number, silent_after_ms, active)
  VALUES ($1, $2, $3, $4, $5, $6)
  ON CONFLICT (instance_id) DO UPDATE
  SET last_number = EXCLUDED.last_number, silent_after_ms = EXCLUDED.silent_after_ms, last_active_at = now(),
    active = EXCLUDED.active
  WHERE instance.last_number < EXCLUDED.last_number`;

/**
 * PostgreSQL's clock was set back: the times before are in the future, and a worker that ended then would count as alive until they
 * are past. A minute is more than two sessions of PostgreSQL can differ.
 */
const CORRECT_FUTURE = `
  UPDATE rule_nats_worker_instances SET last_active_at = now()
  WHERE instance_id IN (
    SELECT instance_id FROM rule_nats_worker_instances
    WHERE active AND last_active_at > now() + interval '1 minute'
    FOR UPDATE SKIP LOCKED
  )`;

/** Leaves out locked rows: the instance of a locked row is flushing now, so it is alive. */
const RETIRE_SILENT = `
  UPDATE rule_nats_worker_instances SET active = false
  WHERE instance_id IN (
    SELECT instance_id FROM rule_nats_worker_instances
    WHERE active AND last_active_at < now() - silent_after_ms * interval '1 millisecond'
    FOR UPDATE SKIP LOCKED
  )`;

const DELETE_OLD = `
  DELETE FROM rule_nats_worker_instances
  WHERE NOT active AND last_active_at < to_timestamp($1 / 1000.0) - interval '30 days'`;

/** Records the flush as the newest of its instance. False if this flush, or a later one, was already stored. */
export async function claimFlush(client: pg.PoolClient, flush: StatisticsFlush): Promise<boolean> {
  const { rowCount } = await client.query(CLAIM, [
    flush.instanceId,
    nameText(flush.streamName),
    nameText(flush.consumerName),
    nameText(flush.queueGroup),
    flush.number,
    Math.max(1, storableCount(flush.silentAfterMs)),
    flush.active,
    storableText(flush.description.version),
    flush.description.features,
    JSON.stringify(flush.description.settings),
  ]);
  return rowCount === 1;
}

/** Like `claimFlush`, without what the worker says of itself: for a table that refuses that. */
export async function claimFlushAlone(client: pg.PoolClient, flush: StatisticsFlush): Promise<boolean> {
  const { rowCount } = await client.query(CLAIM_ALONE, [
    flush.instanceId,
    nameText(flush.streamName),
    nameText(flush.consumerName),
    flush.number,
    Math.max(1, storableCount(flush.silentAfterMs)),
    flush.active,
  ]);
  return rowCount === 1;
}

/** Marks the instances of all streams as inactive that did not flush for their `silent_after_ms`. */
export async function retireSilentInstances(client: pg.PoolClient): Promise<void> {
  await client.query(CORRECT_FUTURE);
  await client.query(RETIRE_SILENT);
}

/** @param now In milliseconds since 1970. @returns How many were deleted. */
export async function deleteOldInstances(client: pg.PoolClient, now: number): Promise<number> {
  return (await client.query(DELETE_OLD, [now])).rowCount ?? 0;
}
