-- How far each queue group has come, so that a durable that vanished is made again behind what was delivered.
CREATE TABLE rule_nats_group_progress (
  stream_name text NOT NULL,
  queue_group text NOT NULL,
  stream_created_at timestamptz NOT NULL,
  ack_floor bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (stream_name, queue_group),
  CONSTRAINT ack_floor_is_not_negative CHECK (ack_floor >= 0)
);

COMMENT ON TABLE rule_nats_group_progress IS
  'One row a queue group. Written by every flush of its workers; never deleted by them.';
COMMENT ON COLUMN rule_nats_group_progress.stream_created_at IS
  'The stream that ack_floor counts in: sequences start again when a stream is made again.';
COMMENT ON COLUMN rule_nats_group_progress.ack_floor IS
  'Everything up to this sequence of the stream is acknowledged.';
