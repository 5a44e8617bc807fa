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
