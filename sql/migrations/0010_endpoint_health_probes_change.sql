-- A worker that would probe, and has nothing to do it with, knows less than one that delivers there: an endpoint whose
-- queue a peer has emptied was shown in trouble for another ten minutes.
CREATE OR REPLACE VIEW nats_endpoint_health AS
SELECT stream_name, endpoint_key,
  (array_agg(url ORDER BY severity DESC, written_at DESC))[1] AS url,
  (array_agg(state ORDER BY severity DESC))[1] AS state,
  sum(in_flight) AS in_flight,
  (array_agg(parked ORDER BY written_at DESC) FILTER (WHERE parked IS NOT NULL))[1] AS parked,
  round(sum(successes) / nullif(sum(successes + failures), 0), 4) AS success_share,
  (array_agg(last_error ORDER BY written_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS last_error,
  (array_agg(since ORDER BY severity DESC, since))[1] AS since,
  (array_agg(why ORDER BY severity DESC, why IS NULL, written_at DESC))[1] AS why,
  count(*) AS workers,
  max(written_at) AS updated_at
FROM (
  SELECT instance.stream_name, state.*,
    CASE
      WHEN state.state = 'probing' AND state.in_flight = 0 AND state.parked = 0 THEN 0
      ELSE array_position(ARRAY['flowing', 'full', 'silent', 'probing', 'failing', 'paused'], state.state)
    END AS severity
  FROM rule_nats_endpoint_states state JOIN rule_nats_worker_instances instance USING (instance_id)
  WHERE instance.active
    AND instance.last_active_at >= now() - instance.silent_after_ms * interval '1 millisecond'
) seen
GROUP BY stream_name, endpoint_key;

COMMENT ON COLUMN nats_endpoint_health.state IS
  'The worst that a worker sees; from best to worst: flowing, full, silent, probing, failing, paused. One that would probe and has no message for it is not asked, where others are.';
COMMENT ON COLUMN nats_endpoint_health.since IS
  'When this state began; silent, probing and failing are one trouble.';
COMMENT ON COLUMN rule_nats_endpoint_states.since IS
  'When this state began, by the worker''s clock; silent, probing and failing are one trouble.';
