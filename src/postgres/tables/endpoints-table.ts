import type pg from 'pg';
import type { GroupLimits, OperatorLimits } from '../../core/capacity/endpoint-limits.ts';
import type { LiveInstance } from '../../core/records/worker-instance.ts';
import { nameText, nullable } from './storable.ts';

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

/** Reads the operators' limits and the live workers: one query, cheap enough to run every second. */
export async function readEndpointLimits(
  pool: pg.Pool,
  { streamName, queueGroup }: { readonly streamName: string; readonly queueGroup: string },
): Promise<GroupLimits & { readonly instances: readonly LiveInstance[] }> {
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
  return { byOperator, liveWorkers: Math.max(1, instances.length), instances };
}

type InstanceRow = {
  readonly instance_id: string;
  readonly consumer_name: string;
  readonly version: string | null;
  readonly features: readonly string[] | null;
  readonly settings: LiveInstance['settings'];
};

function instanceOf(row: InstanceRow): LiveInstance {
  return {
    instanceId: row.instance_id,
    name: row.consumer_name,
    version: row.version,
    features: row.features ?? [],
    settings: row.settings,
  };
}
