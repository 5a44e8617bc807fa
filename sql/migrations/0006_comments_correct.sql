-- Comments that were not true any more.
COMMENT ON TABLE rule_nats_delivery_attempts IS
  'One row an attempt that may have reached its endpoint; what ATTEMPT_LOG lets through. A delivery that was refused or could not be sent has none, only its dead letter. Written by workers in batches; partitioned by day (UTC); maintenance drops partitions older than ATTEMPT_RETENTION_DAYS.';
COMMENT ON COLUMN rule_nats_delivery_attempts.outcome IS 'What happened: responded, timedOut, unreachable, aborted.';
COMMENT ON VIEW nats_delivery_events IS
  'What happened to deliveries, a row each time: every attempt, and every dead letter that no attempt row tells of (nothing was sent, ATTEMPT_LOG=off, a full buffer, or the retention is over).';

DO $$
BEGIN
  -- Where the extension made the table, its comments are its own.
  IF obj_description('rule_nats_publish_history'::regclass, 'pg_class') LIKE 'What the Rule Engine extension published, and %' THEN
    COMMENT ON COLUMN rule_nats_publish_history.payload IS
      'Of a delivery given up: {"delivery_id", "reason", "attempts", "url"}, and the webhook''s body as "data" with STORE_PAYLOADS=failures.';
  END IF;
END
$$;
