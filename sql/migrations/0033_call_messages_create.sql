-- The queue of the Rule Engine extension (rule_webhook_calls): the relay publishes its calls, and workers write the results back.
SET LOCAL lock_timeout = '5s';

CREATE TABLE rule_nats_call_messages (
  call_id integer PRIMARY KEY,
  retry_count integer NOT NULL,
  message_id text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now(),
  checked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rule_nats_call_messages_checked ON rule_nats_call_messages (checked_at);
COMMENT ON TABLE rule_nats_call_messages IS
  'Calls that the relay has published, and whose result is not known yet. Written by the relay; deleted by the worker that writes the result, or by the relay, which looks for results that no worker wrote.';
COMMENT ON COLUMN rule_nats_call_messages.message_id IS 'The delivery_id in nats_deliveries.';
COMMENT ON COLUMN rule_nats_call_messages.checked_at IS 'When the relay last looked for its result.';

CREATE FUNCTION rule_nats_calls_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  -- As rule_nats_outbox_check does.
  IF NOT pg_try_advisory_xact_lock_shared(1853323127, 4) THEN
    PERFORM pg_notify('nats_webhook_worker_outbox', '');
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION rule_nats_calls_notify IS 'Wakes a relay that sleeps.';

DO $$
DECLARE
  needed record;
  missing text := '';
  places text := '';
  worker regrole;
  owned boolean := pg_has_role((SELECT relowner FROM pg_class WHERE oid = to_regclass('rule_webhook_calls')), 'USAGE')
    AND pg_has_role((SELECT relowner FROM pg_class WHERE oid = to_regclass('rule_webhook_call_history')), 'USAGE');
BEGIN
  FOR needed IN
    VALUES ('rule_webhook_calls', 'SELECT'), ('rule_webhook_calls', 'UPDATE'), ('rule_webhook_calls', 'TRIGGER'),
      ('rule_webhook_call_history', 'SELECT'), ('rule_webhook_call_history', 'INSERT')
  LOOP
    IF NOT has_table_privilege(to_regclass(needed.column1), needed.column2) THEN
      places := places || format(', %s (%s)', needed.column1, needed.column2);
      missing := missing || format(E'GRANT %s ON %I TO %I;\n', needed.column2, needed.column1, current_user);
    END IF;
  END LOOP;
  IF NOT has_sequence_privilege(pg_get_serial_sequence('rule_webhook_call_history', 'history_id'), 'USAGE') THEN
    places := places || ', rule_webhook_call_history (the numbers of history_id)';
    missing := missing || format(E'GRANT USAGE ON SEQUENCE %s TO %I;\n',
      pg_get_serial_sequence('rule_webhook_call_history', 'history_id'), current_user);
  END IF;
  IF missing <> '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the role %I needs, on tables that another role owns: %s', current_user, substr(places, 3)),
      HINT = missing;
  END IF;
  CREATE TRIGGER rule_nats_calls_notify AFTER INSERT ON rule_webhook_calls
    FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_calls_notify();

  -- Who may write the statistics of workers writes the results of calls, too. On tables of another owner, that owner grants it.
  FOR worker IN
    SELECT DISTINCT acl.grantee
    FROM pg_class, aclexplode(relacl) acl
    WHERE pg_class.oid = 'rule_nats_worker_instances'::regclass
      AND acl.privilege_type = 'UPDATE' AND acl.grantee NOT IN (0, relowner)
  LOOP
    EXECUTE format('GRANT SELECT ON rule_nats_installation TO %s', worker);
    EXECUTE format('GRANT SELECT, DELETE ON rule_nats_call_messages TO %s', worker);
    IF owned THEN
      EXECUTE format('GRANT SELECT, UPDATE ON rule_webhook_calls TO %s', worker);
      EXECUTE format('GRANT INSERT ON rule_webhook_call_history TO %s', worker);
      EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %s',
        pg_get_serial_sequence('rule_webhook_call_history', 'history_id'), worker);
    END IF;
  END LOOP;

  IF owned THEN
    COMMENT ON TABLE rule_webhook_calls IS
      'Calls that wait in PostgreSQL: written by rule_webhook_enqueue, published by the relay (status processing), finished by the worker that settles the message (success, failed). Deleted with their webhook, or by the operator.';
    COMMENT ON TABLE rule_webhook_call_history IS
      'Attempts of rule_webhook_calls. Written by the extension, and by workers for calls that the relay published.';
  END IF;
END
$$;
