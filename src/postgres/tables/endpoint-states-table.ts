import type pg from 'pg';
import type { EndpointStateRow } from '../../core/records/endpoint-state.ts';
import { indexedText, MAX_INTEGER, nullable, storableCount, storableText, storableTime } from './storable.ts';

const WRITE = `
  INSERT INTO rule_nats_endpoint_states
    (instance_id, endpoint_key, url, state, in_flight, waiting, parked, successes, failures, last_error, since, why)
  SELECT $1, endpoint_key, url, state, in_flight, waiting, parked, successes, failures, last_error,
    to_timestamp(since / 1000), why
  FROM unnest($2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::bigint[], $8::bigint[],
      $9::bigint[], $10::text[], $11::double precision[], $12::text[])
    AS seen (endpoint_key, url, state, in_flight, waiting, parked, successes, failures, last_error, since, why)
  ON CONFLICT (instance_id, endpoint_key) DO UPDATE
  SET url = EXCLUDED.url, state = EXCLUDED.state, in_flight = EXCLUDED.in_flight, waiting = EXCLUDED.waiting,
    parked = EXCLUDED.parked, successes = EXCLUDED.successes, failures = EXCLUDED.failures,
    last_error = EXCLUDED.last_error, since = EXCLUDED.since, why = EXCLUDED.why, written_at = now()`;

/** Leaves out locked rows: a locked row is being written, so it is not old, and waiting for it could end in a deadlock. */
const DELETE_OLD = `
  DELETE FROM rule_nats_endpoint_states
  WHERE (instance_id, endpoint_key) IN (
    SELECT state.instance_id, state.endpoint_key
    FROM rule_nats_endpoint_states state LEFT JOIN rule_nats_worker_instances instance USING (instance_id)
    WHERE state.written_at < to_timestamp($1 / 1000.0) - interval '1 day'
      OR instance.instance_id IS NULL
      OR (NOT instance.active AND instance.last_active_at < to_timestamp($1 / 1000.0) - interval '1 hour')
    LIMIT $2
    FOR UPDATE OF state SKIP LOCKED
  )`;

/** Writes the states that this instance reports for these endpoints. The rows of other endpoints stay as they are. */
export async function writeEndpointStates(
  client: pg.PoolClient,
  instanceId: string,
  endpoints: readonly EndpointStateRow[],
): Promise<void> {
  if (endpoints.length === 0) return;
  // One statement cannot write a row twice; the last state of an endpoint is the newest.
  const newest = [...new Map(endpoints.map((one) => [indexedText(one.endpointKey), one])).entries()];
  const states = newest.map(([, state]) => state);
  await client.query(WRITE, [
    instanceId,
    newest.map(([key]) => key),
    states.map(({ url }) => storableText(url)),
    states.map(({ state }) => state),
    states.map(({ inFlight }) => storableCount(inFlight, MAX_INTEGER)),
    states.map(({ waiting }) => storableCount(waiting, MAX_INTEGER)),
    states.map(({ parked }) => nullable(parked, (count) => storableCount(count))),
    states.map(({ successes }) => storableCount(successes)),
    states.map(({ failures }) => storableCount(failures)),
    states.map(({ lastError }) => nullable(lastError, (text) => storableText(text))),
    states.map(({ since }) => storableTime(since)),
    states.map(({ why }) => nullable(why, (text) => storableText(text))),
  ]);
}

/**
 * Deletes at most `limit` old rows: rows that were not written for a day, and rows of workers that are gone.
 *
 * @param now In milliseconds since 1970. @returns How many were deleted.
 */
export async function deleteOldEndpointStates(
  client: pg.PoolClient,
  now: number,
  limit: number,
): Promise<number> {
  return (await client.query(DELETE_OLD, [now, limit])).rowCount ?? 0;
}
