import type pg from 'pg';
import type { GroupLimits, OperatorLimits } from '../../core/capacity/endpoint-limits.ts';
import { nameText } from './storable.ts';

/**
 * An instance without a group is of a version that wrote none. It counts as a member: better a cap not used up than one exceeded.
 */
const READ = `
  SELECT live.workers, rule.endpoint_key, rule.paused, rule.paused_reason, rule.max_concurrency,
    rule.rate_limit::double precision AS rate_limit
  FROM (
    SELECT count(*)::integer AS workers FROM rule_nats_worker_instances
    WHERE active AND stream_name = $1 AND coalesce(queue_group, $2) = $2
      AND last_active_at >= now() - silent_after_ms * interval '1 millisecond'
  ) live
  LEFT JOIN rule_nats_endpoints rule
    ON rule.paused OR rule.max_concurrency IS NOT NULL OR rule.rate_limit IS NOT NULL`;

/** Reads the operators' limits and the number of live workers: one query, cheap enough to run every second. */
export async function readEndpointLimits(
  pool: pg.Pool,
  { streamName, queueGroup }: { readonly streamName: string; readonly queueGroup: string },
): Promise<GroupLimits> {
  const { rows } = await pool.query(READ, [nameText(streamName), nameText(queueGroup)]);
  const byOperator = new Map<string, OperatorLimits>();
  for (const row of rows) {
    if (row.endpoint_key === null) continue;
    byOperator.set(row.endpoint_key, {
      paused: row.paused,
      pausedReason: row.paused_reason,
      maxConcurrency: row.max_concurrency,
      rateLimit: row.rate_limit,
    });
  }
  return { byOperator, liveWorkers: Math.max(1, rows[0]?.workers ?? 0) };
}
