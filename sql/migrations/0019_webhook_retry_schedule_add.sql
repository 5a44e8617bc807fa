-- A column of ours on a table that the Rule Engine extension may own: see 0012.
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE
  cure CONSTANT text := 'ALTER TABLE rule_webhooks ADD COLUMN IF NOT EXISTS retry_schedule text '
    'CONSTRAINT retry_schedule_is_a_schedule CHECK (retry_schedule ~ '
    '''^\s*(standard|\d+(\.\d+)?(ms|s|m|h|d)(\s*,\s*\d+(\.\d+)?(ms|s|m|h|d))*)\s*$'')';
  is_owned CONSTANT boolean := (
    SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('rule_webhooks')
  );
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('rule_webhooks') AND attname = 'retry_schedule' AND NOT attisdropped
  ) THEN
    IF NOT is_owned THEN
      RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format(
          'the role %I needs, on tables that another role owns: rule_webhooks (column retry_schedule)', current_user),
        HINT = cure || E';\n';
    END IF;
    EXECUTE cure;
  END IF;
  -- Only the owner of a table may comment on it.
  IF is_owned THEN
    COMMENT ON COLUMN rule_webhooks.retry_schedule IS
      'The delays before the second, third, ... attempt, such as 1s,1m,1h, or standard: in place of max_retries, retry_delay_ms and retry_backoff_multiplier. Null: those decide. Written by operators.';
  END IF;
END
$$;
