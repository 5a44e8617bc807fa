-- A notification says which row changed, so that workers read this row and not all of them. The payload is one of:
--   webhook <webhook_id>   this row of rule_webhooks, or a secret of it
--   webhooks               any row
--   limits                 rule_nats_endpoints
-- Older workers read all rows at any payload.
SET LOCAL lock_timeout = '5s';

CREATE OR REPLACE FUNCTION rule_nats_endpoints_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  channel CONSTANT text := 'nats_webhook_worker_endpoints';
  not_read CONSTANT text[] := ARRAY['failing_since', 'updated_at'];
  -- A transaction that changes more rows says only that any row may have changed: 100,000 notifications would keep every
  -- worker busy.
  most CONSTANT integer := 100;
  count_so_far integer;
BEGIN
  IF TG_TABLE_NAME = 'rule_nats_endpoints' THEN
    IF TG_LEVEL = 'ROW' THEN
      IF to_jsonb(OLD) - not_read = to_jsonb(NEW) - not_read THEN
        RETURN NULL;
      END IF;
    END IF;
    PERFORM pg_notify(channel, 'limits');
    RETURN NULL;
  END IF;

  IF TG_LEVEL = 'STATEMENT' THEN
    -- The triggers of 0015 call this for INSERT and DELETE, too, of which the row triggers tell.
    IF TG_OP = 'TRUNCATE' THEN
      PERFORM pg_notify(channel, 'webhooks');
    END IF;
    RETURN NULL;
  END IF;

  -- Of this transaction. Empty after the end of an earlier one.
  count_so_far := coalesce(nullif(current_setting('nats_webhook_worker.notified', true), ''), '0')::integer;
  IF count_so_far > most THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    IF to_jsonb(OLD) - not_read = to_jsonb(NEW) - not_read THEN
      RETURN NULL;
    END IF;
  END IF;
  PERFORM set_config('nats_webhook_worker.notified', (count_so_far + 1)::text, true);
  IF count_so_far = most THEN
    PERFORM pg_notify(channel, 'webhooks');
    RETURN NULL;
  END IF;
  IF TG_OP IN ('UPDATE', 'DELETE') AND OLD.webhook_id IS NOT NULL THEN
    PERFORM pg_notify(channel, 'webhook ' || OLD.webhook_id);
  END IF;
  -- A payload that was sent before in this transaction is sent once.
  IF TG_OP IN ('INSERT', 'UPDATE') AND NEW.webhook_id IS NOT NULL THEN
    PERFORM pg_notify(channel, 'webhook ' || NEW.webhook_id);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION rule_nats_endpoints_notify IS
  'Tells workers which endpoint, or the secret of which, has changed: NOTIFY nats_webhook_worker_endpoints.';

DO $$
DECLARE
  table_name text;
  missing text := '';
BEGIN
  FOREACH table_name IN ARRAY ARRAY['rule_webhooks', 'rule_webhook_secrets'] LOOP
    IF NOT has_table_privilege(to_regclass(table_name), 'TRIGGER') THEN
      missing := missing || format(E'GRANT TRIGGER ON %I TO %I;\n', table_name, current_user);
    END IF;
  END LOOP;
  IF missing <> '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format(
        'the role %I needs, on tables that another role owns: rule_webhooks, rule_webhook_secrets (TRIGGER)', current_user),
      HINT = missing;
  END IF;
  -- Those of 0015 stay, because only the owner of a table may drop a trigger.
  FOREACH table_name IN ARRAY ARRAY['rule_webhooks', 'rule_webhook_secrets'] LOOP
    EXECUTE format(
      'CREATE TRIGGER rule_nats_endpoints_notify_row AFTER INSERT OR DELETE ON %I
         FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify()', table_name);
  END LOOP;
END
$$;
