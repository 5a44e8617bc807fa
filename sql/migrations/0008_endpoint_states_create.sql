ALTER TABLE rule_nats_worker_instances ADD COLUMN queue_group text;
COMMENT ON COLUMN rule_nats_worker_instances.queue_group IS 'Null: written by a version that did not say it.';

-- Room in each page for the new versions of its rows, so that the index need not be touched.
CREATE TABLE rule_nats_endpoint_states (
  instance_id uuid NOT NULL,
  endpoint_key text NOT NULL,
  url text NOT NULL,
  state text NOT NULL,
  in_flight integer NOT NULL,
  waiting integer NOT NULL,
  parked bigint,
  successes bigint NOT NULL,
  failures bigint NOT NULL,
  last_error text,
  since timestamptz NOT NULL,
  why text,
  written_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (instance_id, endpoint_key),
  CONSTRAINT state_is_known CHECK (state IN ('flowing', 'full', 'silent', 'failing', 'probing', 'paused'))
) WITH (fillfactor = 70);

COMMENT ON TABLE rule_nats_endpoint_states IS
  'How each worker process sees its endpoints; nats_endpoint_health is what they see together. Written by flushes, a row only when it changed; deleted by any worker''s maintenance a day after it was written, or an hour after its worker was last active.';
COMMENT ON COLUMN rule_nats_endpoint_states.instance_id IS 'Of rule_nats_worker_instances.';
COMMENT ON COLUMN rule_nats_endpoint_states.url IS 'Without its query, which often holds a token.';
COMMENT ON COLUMN rule_nats_endpoint_states.state IS
  'flowing; full: no room for more now; silent: attempts hang; failing: nothing is sent for a while; probing: one attempt tries whether it is back; paused: by an operator.';
COMMENT ON COLUMN rule_nats_endpoint_states.in_flight IS 'Attempts under way.';
COMMENT ON COLUMN rule_nats_endpoint_states.waiting IS 'Messages that wait in this worker for room.';
COMMENT ON COLUMN rule_nats_endpoint_states.parked IS
  'Messages in the endpoint''s own queue, of all workers, as this worker last listed it. Null: not known.';
COMMENT ON COLUMN rule_nats_endpoint_states.successes IS 'Attempts of the last BREAKER_WINDOW_MS without trouble.';
COMMENT ON COLUMN rule_nats_endpoint_states.failures IS 'Attempts of the last BREAKER_WINDOW_MS with trouble.';
COMMENT ON COLUMN rule_nats_endpoint_states.since IS 'When this state began, by the worker''s clock.';
COMMENT ON COLUMN rule_nats_endpoint_states.why IS 'A sentence.';

-- By stream, since that is what has the parked messages. A worker that went silent counts no longer, also where no peer
-- is left to say so.
CREATE VIEW nats_endpoint_health AS
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
    array_position(ARRAY['flowing', 'full', 'silent', 'probing', 'failing', 'paused'], state.state) AS severity
  FROM rule_nats_endpoint_states state JOIN rule_nats_worker_instances instance USING (instance_id)
  WHERE instance.active
    AND instance.last_active_at >= now() - instance.silent_after_ms * interval '1 millisecond'
) seen
GROUP BY stream_name, endpoint_key;

COMMENT ON VIEW nats_endpoint_health IS
  'One row an endpoint (and stream), over all workers that run. As fresh as their flushes.';
COMMENT ON COLUMN nats_endpoint_health.state IS
  'The worst that a worker sees; from best to worst: flowing, full, silent, probing, failing, paused.';
COMMENT ON COLUMN nats_endpoint_health.parked IS
  'Messages that wait in the endpoint''s own queue, as last listed. Null: not known.';
COMMENT ON COLUMN nats_endpoint_health.success_share IS
  'Of the attempts of the last BREAKER_WINDOW_MS, those without trouble: 0 to 1. Null: there were none.';
COMMENT ON COLUMN nats_endpoint_health.since IS 'When this state began.';
COMMENT ON COLUMN nats_endpoint_health.workers IS 'How many workers told of it.';
