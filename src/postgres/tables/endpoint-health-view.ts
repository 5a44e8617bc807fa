import type pg from 'pg';
import type { EndpointStatus } from '../../core/records/endpoint-state.ts';
import { nullable } from './storable.ts';
import { epochMs, timeOf } from './time.ts';

/** A row of `nats_endpoint_health`, for display. */
export type EndpointHealth = {
  readonly endpointKey: string;
  readonly url: string;
  /** The worst state that any worker reports. */
  readonly state: EndpointStatus;
  readonly inFlight: number;
  /** Null if the number is not known. */
  readonly parked: number | null;
  /** 0 to 1; null without attempts. */
  readonly successShare: number | null;
  readonly lastError: string | null;
  readonly since: Date;
  readonly why: string | null;
};

export type UnhealthyEndpoints = {
  readonly endpoints: readonly EndpointHealth[];
  /** The number of all such endpoints; `endpoints` may hold fewer. */
  readonly total: number;
};

const READ_UNHEALTHY = `
  SELECT endpoint_key, url, state, in_flight, parked, success_share, last_error,
    ${epochMs('since')} AS since_ms, why, count(*) OVER ()::integer AS total
  FROM nats_endpoint_health
  WHERE stream_name = $1 AND state <> 'flowing'
  ORDER BY parked DESC NULLS LAST, since, endpoint_key
  LIMIT $2`;

/** The endpoints of a stream that are not `flowing`, sorted by their number of parked messages, the highest first. */
export async function readUnhealthyEndpoints(
  pool: pg.Pool,
  streamName: string,
  limit: number,
): Promise<UnhealthyEndpoints> {
  const { rows } = await pool.query(READ_UNHEALTHY, [streamName, limit]);
  const endpoints = rows.map((row) => ({
    endpointKey: row.endpoint_key,
    url: row.url,
    state: row.state,
    inFlight: Number(row.in_flight),
    parked: nullable(row.parked, Number),
    successShare: nullable(row.success_share, Number),
    lastError: row.last_error,
    since: timeOf(row.since_ms ?? '0'),
    why: row.why,
  }));
  return { endpoints, total: rows[0]?.total ?? 0 };
}
