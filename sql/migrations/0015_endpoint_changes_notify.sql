-- Workers learn of a change by NOTIFY. The triggers name no column of the tables: PostgreSQL would refuse to change the
-- type of one that a trigger names, and so stand in the way of the Rule Engine extension's own migrations.

-- One notification a transaction, whatever it changed: the payload is always the same.
CREATE FUNCTION rule_nats_endpoints_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  not_read CONSTANT text[] := ARRAY['failing_since', 'updated_at'];
BEGIN
  IF TG_LEVEL = 'ROW' THEN
    IF to_jsonb(OLD) - not_read = to_jsonb(NEW) - not_read THEN
      RETURN NULL;
    END IF;
  END IF;
  PERFORM pg_notify('nats_webhook_worker_endpoints', '');
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION rule_nats_endpoints_notify IS
  'Tells workers that an endpoint, or a secret of one, has changed: NOTIFY nats_webhook_worker_endpoints.';

-- Else an endpoint that an operator has cured would be taken for one that fails since long ago.
CREATE FUNCTION rule_nats_webhook_cured() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.enabled IS DISTINCT FROM OLD.enabled OR NEW.url IS DISTINCT FROM OLD.url THEN
    NEW.failing_since := NULL;
  END IF;
  IF NEW.enabled IS NOT FALSE THEN
    NEW.disabled_at := NULL;
    NEW.disabled_reason := NULL;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION rule_nats_webhook_cured IS
  'Empties what workers wrote of a webhook''s failures when it is enabled again or has another URL.';

CREATE TRIGGER rule_nats_webhook_cured BEFORE UPDATE ON rule_webhooks
  FOR EACH ROW EXECUTE FUNCTION rule_nats_webhook_cured();

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['rule_webhooks', 'rule_webhook_secrets', 'rule_nats_endpoints'] LOOP
    EXECUTE format(
      'CREATE TRIGGER rule_nats_endpoints_notify AFTER INSERT OR DELETE OR TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_endpoints_notify()', table_name);
    EXECUTE format(
      'CREATE TRIGGER rule_nats_endpoints_notify_update AFTER UPDATE ON %I
         FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify()', table_name);
  END LOOP;
END
$$;
