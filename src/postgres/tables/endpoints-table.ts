import type pg from 'pg';
import type { OperatorLimits } from '../../core/capacity/endpoint-limits.ts';
import { costOf } from '../../core/records/refusal.ts';
import type { LiveInstance } from '../../core/records/worker-instance.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { nameText, nullable } from './storable.ts';
import { epochMs } from './time.ts';

/**
 * An instance without a group is of a version that wrote none. It counts as a member: better a cap not used up than one exceeded.
 */
const READ = `
  SELECT NULL AS endpoint_key, NULL AS paused, NULL AS paused_reason, NULL::integer AS max_concurrency,
    NULL::numeric AS rate_limit, to_jsonb(instance) AS instance
  FROM (
    SELECT instance_id, consumer_name, version, features, settings FROM rule_nats_worker_instances
    WHERE active AND stream_name = $1 AND coalesce(queue_group, $2) = $2
      AND last_active_at >= now() - silent_after_ms * interval '1 millisecond'
    ORDER BY instance_id
  ) instance
  UNION ALL
  SELECT endpoint_key, paused, paused_reason, max_concurrency, rate_limit, NULL
  FROM rule_nats_endpoints
  WHERE paused OR max_concurrency IS NOT NULL OR rate_limit IS NOT NULL`;

/** The same rows whole, for tables whose columns were changed. */
const READ_RULES = 'SELECT to_jsonb(rule) AS row FROM rule_nats_endpoints rule';
const READ_INSTANCES = `
  SELECT to_jsonb(instance) AS row, ${epochMs('now()')} AS now_ms FROM rule_nats_worker_instances instance`;

export type Group = { readonly streamName: string; readonly queueGroup: string };

/** What could be read of the limits of a group. */
export type ReadLimits = {
  /** By endpoint key. Null if `rule_nats_endpoints` cannot be read. */
  readonly byOperator: ReadonlyMap<string, OperatorLimits> | null;
  /** The live workers of the group. Null if `rule_nats_worker_instances` cannot be read. */
  readonly instances: readonly LiveInstance[] | null;
  /** PostgreSQL's message about a table that was changed, or that lacks a right; null: both are as they should be. */
  readonly problem: string | null;
};

/**
 * Reads the operators' limits and the live workers: one query, cheap enough to run every second. Where a table was changed, or lacks
 * a right, the other table is read all the same, and of the changed table what is still there.
 *
 * @throws Errors that concern all tables, and an error if neither table can be read.
 */
export async function readEndpointLimits(pool: pg.Pool, group: Group): Promise<ReadLimits> {
  try {
    return await readBoth(pool, group);
  } catch (error) {
    if (costOf(errorCode(error)) === 'nothing') throw error;
    const byOperator = await unlessRefused(() => readRules(pool));
    const instances = await unlessRefused(() => readInstances(pool, group));
    if (byOperator === null && instances === null) throw error;
    return { byOperator, instances, problem: errorMessage(error) };
  }
}

async function readBoth(pool: pg.Pool, { streamName, queueGroup }: Group): Promise<ReadLimits> {
  const { rows } = await pool.query(READ, [nameText(streamName), nameText(queueGroup)]);
  const byOperator = new Map<string, OperatorLimits>();
  const instances: LiveInstance[] = [];
  for (const row of rows) {
    if (row.instance !== null) {
      instances.push(instanceOf(row.instance));
      continue;
    }
    byOperator.set(row.endpoint_key, {
      paused: row.paused,
      pausedReason: row.paused_reason,
      maxConcurrency: row.max_concurrency,
      rateLimit: nullable(row.rate_limit, Number),
    });
  }
  return { byOperator, instances, problem: null };
}

/** Null if PostgreSQL refuses the read because of the table. */
async function unlessRefused<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (costOf(errorCode(error)) === 'nothing') throw error;
    return null;
  }
}

type Json = Readonly<Record<string, unknown>>;

/** Null if the column of the pauses is gone: an endpoint that was paused stays paused. */
async function readRules(pool: pg.Pool): Promise<ReadonlyMap<string, OperatorLimits> | null> {
  const { rows } = await pool.query<{ row: Json }>(READ_RULES);
  const byOperator = new Map<string, OperatorLimits>();
  for (const { row } of rows) {
    if (row.paused === undefined || typeof row.endpoint_key !== 'string') return null;
    byOperator.set(row.endpoint_key, {
      paused: TRUE.has(String(row.paused)),
      pausedReason: typeof row.paused_reason === 'string' ? row.paused_reason : null,
      maxConcurrency: positive(row.max_concurrency),
      rateLimit: positive(row.rate_limit),
    });
  }
  return byOperator;
}

/** The spellings of true, where the column is no boolean any more. */
const TRUE: ReadonlySet<string> = new Set(['true', 't', 'yes', 'on', '1']);

function positive(value: unknown): number | null {
  return value !== null && Number(value) > 0 ? Number(value) : null;
}

async function readInstances(pool: pg.Pool, group: Group): Promise<readonly LiveInstance[]> {
  const { rows } = await pool.query<{ row: Json; now_ms: string }>(READ_INSTANCES);
  return rows
    .filter(({ row, now_ms }) => isLive(row, group, Number(now_ms)))
    .map(({ row }) => instanceOf(row));
}

/** The live workers of a stream, of all groups. @throws also if the table cannot be read. */
export async function readLiveWorkers(pool: pg.Pool, streamName: string): Promise<readonly LiveInstance[]> {
  const { rows } = await pool.query<{ row: Json; now_ms: string }>(READ_INSTANCES);
  return rows
    .filter(({ row, now_ms }) =>
      isLive(row, { streamName, queueGroup: String(row.queue_group) }, Number(now_ms)),
    )
    .map(({ row }) => instanceOf(row));
}

/** A column that is gone rules nobody out: better a cap not used up than one exceeded. */
function isLive(row: Json, { streamName, queueGroup }: Group, now: number): boolean {
  const isSilent = Date.parse(String(row.last_active_at)) < now - Number(row.silent_after_ms);
  return (
    (row.active ?? true) === true &&
    (row.stream_name ?? nameText(streamName)) === nameText(streamName) &&
    (row.queue_group ?? nameText(queueGroup)) === nameText(queueGroup) &&
    !isSilent
  );
}

function instanceOf(row: Json): LiveInstance {
  return {
    instanceId: String(row.instance_id),
    name: String(row.consumer_name ?? ''),
    version: typeof row.version === 'string' ? row.version : null,
    features: Array.isArray(row.features) ? row.features : [],
    settings: isObject(row.settings) ? (row.settings as LiveInstance['settings']) : null,
  };
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
