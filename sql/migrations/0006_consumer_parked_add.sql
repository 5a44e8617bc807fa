-- A column of ours on a table that the Rule Engine extension may own: see 0001.
DO $$
DECLARE
  cure CONSTANT text :=
    'ALTER TABLE rule_nats_consumer_stats ADD COLUMN IF NOT EXISTS messages_parked bigint NOT NULL DEFAULT 0';
BEGIN
  IF EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('rule_nats_consumer_stats') AND attname = 'messages_parked' AND NOT attisdropped
  ) THEN
    RETURN;
  END IF;
  IF NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('rule_nats_consumer_stats')) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format(
        'the role %I needs, on tables that another role owns: rule_nats_consumer_stats (column messages_parked)',
        current_user),
      HINT = cure || E';\n';
  END IF;
  EXECUTE cure;
  COMMENT ON COLUMN rule_nats_consumer_stats.messages_parked IS
    'Hand-outs moved to their endpoint''s own queue, since it had no room or the worker stopped. Not in messages_delivered: they are handed out again.';
END
$$;

COMMENT ON COLUMN rule_nats_delivery_attempts.verdict IS 'What followed: ack, retry, deadLetter, handBack, park.';
