CREATE TABLE rule_nats_worker_instances (
  instance_id uuid PRIMARY KEY,
  stream_name text NOT NULL,
  consumer_name text NOT NULL,
  last_number bigint NOT NULL,
  silent_after_ms bigint NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  last_active_at timestamptz NOT NULL DEFAULT now(),
  active boolean NOT NULL DEFAULT true,
  CONSTRAINT last_number_is_positive CHECK (last_number > 0),
  CONSTRAINT silent_after_ms_is_positive CHECK (silent_after_ms > 0)
);

CREATE INDEX rule_nats_worker_instances_consumer
  ON rule_nats_worker_instances (stream_name, consumer_name) WHERE active;

COMMENT ON TABLE rule_nats_worker_instances IS
  'One row a worker process. Written by its flushes, marked inactive by its last one or by a peer, deleted by any worker''s maintenance 30 days after it was last active.';
COMMENT ON COLUMN rule_nats_worker_instances.last_number IS
  'The last flush of statistics that was stored: what makes a flush that is sent twice count once.';
COMMENT ON COLUMN rule_nats_worker_instances.silent_after_ms IS
  'After this long without a flush, peers take the process for dead.';
