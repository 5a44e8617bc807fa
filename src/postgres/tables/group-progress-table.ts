import type pg from 'pg';
import type { GroupProgress, StatisticsFlush } from '../../core/records/statistics.ts';
import { nameText } from './storable.ts';
import { epochMs } from './time.ts';

/** Flushes of several workers come in any order, so the ack floor only moves forward, unless the stream was created again. */
const SAVE = `
  INSERT INTO rule_nats_group_progress AS row (stream_name, queue_group, stream_created_at, ack_floor)
  VALUES ($1, $2, to_timestamp($3 / 1000.0), $4)
  ON CONFLICT (stream_name, queue_group) DO UPDATE
  SET stream_created_at = EXCLUDED.stream_created_at, ack_floor = EXCLUDED.ack_floor, updated_at = now()
  WHERE EXCLUDED.stream_created_at > row.stream_created_at
    OR (EXCLUDED.stream_created_at = row.stream_created_at AND EXCLUDED.ack_floor > row.ack_floor)`;

const READ = `
  SELECT ${epochMs('stream_created_at')} AS stream_created_ms, ack_floor
  FROM rule_nats_group_progress WHERE stream_name = $1 AND queue_group = $2`;

export async function saveProgress(client: pg.PoolClient, flush: StatisticsFlush): Promise<void> {
  const { streamName, queueGroup, progress } = flush;
  if (progress === null) return;
  await client.query(SAVE, [
    nameText(streamName),
    nameText(queueGroup),
    progress.streamCreatedAt,
    progress.ackFloor,
  ]);
}

/** The last saved progress of the group; null if none was ever saved. */
export async function readProgress(
  pool: pg.Pool,
  streamName: string,
  queueGroup: string,
): Promise<Omit<GroupProgress, 'pending'> | null> {
  const { rows } = await pool.query(READ, [nameText(streamName), nameText(queueGroup)]);
  const row = rows[0];
  return row === undefined
    ? null
    : { streamCreatedAt: Number(row.stream_created_ms), ackFloor: Number(row.ack_floor) };
}
