CREATE TABLE rule_nats_delivery_attempts (
  delivery_id text NOT NULL,
  attempt_number integer NOT NULL,
  subject text NOT NULL,
  endpoint_key text NOT NULL,
  url text NOT NULL,
  method text NOT NULL,
  outcome text NOT NULL,
  status integer,
  error text,
  response_excerpt text,
  started_at timestamptz NOT NULL,
  duration_ms numeric(12,3) NOT NULL,
  verdict text NOT NULL,
  dead_letter_reason text,
  next_attempt_at timestamptz,
  worker text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT attempt_number_is_not_negative CHECK (attempt_number >= 0),
  CONSTRAINT duration_ms_is_not_negative CHECK (duration_ms >= 0)
) PARTITION BY RANGE (started_at);

-- No unique key: a hand-out that a dying worker lost may be recorded with the same number again, and a row must never
-- stop the flush that brings it.
CREATE INDEX rule_nats_delivery_attempts_delivery ON rule_nats_delivery_attempts (delivery_id);
CREATE INDEX rule_nats_delivery_attempts_started ON rule_nats_delivery_attempts (started_at DESC);
CREATE INDEX rule_nats_delivery_attempts_failures ON rule_nats_delivery_attempts (started_at DESC)
  WHERE verdict <> 'ack';
CREATE INDEX rule_nats_delivery_attempts_endpoint ON rule_nats_delivery_attempts (endpoint_key, started_at DESC);

COMMENT ON TABLE rule_nats_delivery_attempts IS
  'One row an attempt that may have reached its endpoint; what ATTEMPT_LOG lets through. A delivery that was refused or could not be sent has none, only its dead letter. Written by workers in batches; partitioned by day (UTC); maintenance drops partitions older than ATTEMPT_RETENTION_DAYS.';
COMMENT ON COLUMN rule_nats_delivery_attempts.attempt_number IS 'From 1, over all workers.';
COMMENT ON COLUMN rule_nats_delivery_attempts.url IS 'Without its query, which often holds a token.';
COMMENT ON COLUMN rule_nats_delivery_attempts.outcome IS
  'What happened: responded, timedOut, unreachable, aborted.';
COMMENT ON COLUMN rule_nats_delivery_attempts.verdict IS 'What followed: ack, retry, deadLetter, handBack.';
COMMENT ON COLUMN rule_nats_delivery_attempts.response_excerpt IS 'The start of a failure''s body.';
COMMENT ON COLUMN rule_nats_delivery_attempts.worker IS 'CONSUMER_NAME of the worker that made it.';
COMMENT ON COLUMN rule_nats_delivery_attempts.recorded_at IS 'When the flush that brought the row was stored.';

-- Only the owner of a table may add partitions to it and drop them, so these run as the owner: a worker needs no more
-- than the right to call them.
CREATE FUNCTION rule_nats_delivery_attempts_add_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
  partition_name text := 'rule_nats_delivery_attempts_' || to_char(day, 'YYYYMMDD');
BEGIN
  -- Made beside the table and then attached: unlike CREATE ... PARTITION OF, that lets flushes and readers go on meanwhile.
  EXECUTE format(
    'CREATE TABLE %I (LIKE rule_nats_delivery_attempts INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)',
    partition_name);
  EXECUTE format('ALTER TABLE rule_nats_delivery_attempts ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    partition_name, to_char(day, 'YYYY-MM-DD 00:00:00+00'), to_char(day + 1, 'YYYY-MM-DD 00:00:00+00'));
END
$$;
COMMENT ON FUNCTION rule_nats_delivery_attempts_add_day IS
  'Makes the partition of a day (UTC). Called by workers, who need not own the table.';

CREATE FUNCTION rule_nats_delivery_attempts_drop_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  EXECUTE format('DROP TABLE %I', 'rule_nats_delivery_attempts_' || to_char(day, 'YYYYMMDD'));
END
$$;
COMMENT ON FUNCTION rule_nats_delivery_attempts_drop_day IS
  'Drops the partition of a day (UTC), and its rows. Called by workers past ATTEMPT_RETENTION_DAYS.';

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['rule_nats_delivery_attempts_add_day', 'rule_nats_delivery_attempts_drop_day'] LOOP
    -- Else a caller's own search_path, or its temporary tables, would decide which tables the owner's rights are used on.
    EXECUTE format('ALTER FUNCTION %I(date) SET search_path = %I, pg_temp', name, current_schema());
    EXECUTE format('REVOKE ALL ON FUNCTION %I(date) FROM PUBLIC', name);
  END LOOP;
END
$$;
