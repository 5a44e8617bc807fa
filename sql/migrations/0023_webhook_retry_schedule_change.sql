-- A delay that no worker can wait, such as 0s or 8d, is refused when it is written. Before, the row was held as wrong.
SET LOCAL lock_timeout = '5s';

DO $$
BEGIN
  -- Only the owner of a table may add a constraint. Where that is another role, workers alone check the schedule.
  IF (SELECT NOT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('rule_webhooks'))
    OR NOT EXISTS (
      SELECT FROM pg_attribute
      WHERE attrelid = to_regclass('rule_webhooks') AND attname = 'retry_schedule'
        AND atttypid = 'text'::regtype AND NOT attisdropped
    )
    OR EXISTS (
      SELECT FROM pg_constraint
      WHERE conrelid = to_regclass('rule_webhooks') AND conname = 'retry_schedule_delays_are_possible'
    )
  THEN
    RETURN;
  END IF;
  -- As parseRetrySchedule in src/core/retry/retry-schedule.ts: at most 99 delays, each from 1ms to 7d when it is rounded. A
  -- constraint has no subquery, so the delays become JSON such as [{"s":"1.5"},{"h":"2"}] for one path. NOT VALID: rows that
  -- exist may be wrong. Workers hold and report them.
  ALTER TABLE rule_webhooks ADD CONSTRAINT retry_schedule_delays_are_possible CHECK (
    CASE WHEN retry_schedule ~ '^\s*\d+(\.\d+)?(ms|s|m|h|d)(\s*,\s*\d+(\.\d+)?(ms|s|m|h|d))*\s*$' THEN
      cardinality(string_to_array(retry_schedule, ',')) <= 99
      AND NOT jsonb_path_exists(
        ('[' || regexp_replace(retry_schedule, '\s*(\d+(?:\.\d+)?)(ms|s|m|h|d)\s*', '{"\2":"\1"}', 'g') || ']')::jsonb,
        '$[*] ? (@.ms.double() < 0.5 || @.ms.double() >= 604800000.5
          || @.s.double() * 1000 < 0.5 || @.s.double() * 1000 >= 604800000.5
          || @.m.double() * 60000 < 0.5 || @.m.double() * 60000 >= 604800000.5
          || @.h.double() * 3600000 < 0.5 || @.h.double() * 3600000 >= 604800000.5
          || @.d.double() * 86400000 < 0.5 || @.d.double() * 86400000 >= 604800000.5)')
    ELSE true END
  ) NOT VALID;
END
$$;
