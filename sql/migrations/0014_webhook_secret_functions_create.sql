-- As 0012: the functions on secrets and calls. rule_webhook_secret_get works with the rights of its caller, too: the
-- extension's own lets every role of the database read every secret.
DO $do$
DECLARE
  known text[] := ARRAY(SELECT proname::text FROM pg_proc WHERE pg_function_is_visible(oid));
BEGIN
  IF 'rule_webhook_secret_set' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_secret_set(
      p_webhook_id integer,
      p_secret_name text,
      p_secret_value text
    ) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO rule_webhook_secrets (webhook_id, secret_name, secret_value)
      VALUES (p_webhook_id, p_secret_name, p_secret_value)
      ON CONFLICT (webhook_id, secret_name) DO UPDATE SET secret_value = EXCLUDED.secret_value, created_at = now();
      RETURN true;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_secret_set IS
      'Sets a secret of an endpoint: signing_secret signs, and so does every signing_secret_<anything> beside it.';
  END IF;

  IF 'rule_webhook_secret_get' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_secret_get(
      p_webhook_id integer,
      p_secret_name text
    ) RETURNS text LANGUAGE plpgsql AS $$
    BEGIN
      RETURN (
        SELECT secret_value FROM rule_webhook_secrets
        WHERE webhook_id = p_webhook_id AND secret_name = p_secret_name
      );
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_secret_get IS 'A secret of an endpoint, for who may read it; else null.';
  END IF;

  IF 'rule_webhook_secret_delete' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_secret_delete(
      p_webhook_id integer,
      p_secret_name text
    ) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM rule_webhook_secrets WHERE webhook_id = p_webhook_id AND secret_name = p_secret_name;
      RETURN FOUND;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_secret_delete IS
      'Deletes a secret of an endpoint. Returns whether there was one of that name.';
  END IF;

  IF 'rule_webhook_enqueue' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_enqueue(
      p_webhook_id integer,
      p_payload jsonb,
      p_rule_name text DEFAULT NULL,
      p_scheduled_at timestamptz DEFAULT CURRENT_TIMESTAMP
    ) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE
      is_enabled boolean;
      new_id integer;
    BEGIN
      SELECT enabled INTO is_enabled FROM rule_webhooks WHERE webhook_id = p_webhook_id;
      IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found',
          MESSAGE = format('there is no webhook %s', p_webhook_id);
      END IF;
      IF NOT is_enabled THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
          MESSAGE = format('webhook %s is disabled', p_webhook_id),
          HINT = format('SELECT rule_webhook_update(%s, p_enabled => true);', p_webhook_id);
      END IF;
      INSERT INTO rule_webhook_calls (webhook_id, payload, rule_name, scheduled_at)
      VALUES (p_webhook_id, p_payload, p_rule_name, p_scheduled_at)
      RETURNING call_id INTO new_id;
      RETURN new_id;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_enqueue IS 'Adds a call to rule_webhook_calls. Returns its call_id.';
  END IF;
END
$do$;
