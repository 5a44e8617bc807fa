-- The functions on the registry that users of the Rule Engine extension know, with its names of arguments, defaults and
-- results, so that its CREATE OR REPLACE takes ours over: made where there is none of that name. They work with the
-- rights of their caller.
DO $do$
DECLARE
  known text[] := ARRAY(SELECT proname::text FROM pg_proc WHERE pg_function_is_visible(oid));
BEGIN
  IF 'rule_webhook_register' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_register(
      p_name text,
      p_url text,
      p_method text DEFAULT 'POST',
      p_headers jsonb DEFAULT '{}'::jsonb,
      p_description text DEFAULT NULL,
      p_timeout_ms integer DEFAULT 5000,
      p_max_retries integer DEFAULT 3
    ) RETURNS integer LANGUAGE plpgsql AS $$
    DECLARE
      new_id integer;
    BEGIN
      IF p_url !~* '^https?://' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
          MESSAGE = 'the URL of a webhook must begin with http:// or https://';
      END IF;
      INSERT INTO rule_webhooks (webhook_name, url, method, headers, description, timeout_ms, max_retries)
      VALUES (p_name, p_url, upper(p_method), p_headers, p_description, p_timeout_ms, p_max_retries)
      RETURNING webhook_id INTO new_id;
      RETURN new_id;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_register IS 'Adds an endpoint. Returns its webhook_id.';
  END IF;

  IF 'rule_webhook_update' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_update(
      p_webhook_id integer,
      p_url text DEFAULT NULL,
      p_method text DEFAULT NULL,
      p_headers jsonb DEFAULT NULL,
      p_timeout_ms integer DEFAULT NULL,
      p_enabled boolean DEFAULT NULL
    ) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE rule_webhooks
      SET url = coalesce(p_url, url), method = coalesce(upper(p_method), method),
        headers = coalesce(p_headers, headers), timeout_ms = coalesce(p_timeout_ms, timeout_ms),
        enabled = coalesce(p_enabled, enabled), updated_at = now()
      WHERE webhook_id = p_webhook_id;
      RETURN FOUND;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_update IS
      'Changes what is not null of an endpoint. Returns whether there is one of that webhook_id.';
  END IF;

  IF 'rule_webhook_delete' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_delete(p_webhook_id integer) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      DELETE FROM rule_webhooks WHERE webhook_id = p_webhook_id;
      RETURN FOUND;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_delete IS
      'Deletes an endpoint, its secrets and calls. Returns whether there was one of that webhook_id.';
  END IF;

  IF 'rule_webhook_list' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_list(p_enabled_only boolean DEFAULT false)
    RETURNS TABLE (
      webhook_id integer,
      webhook_name text,
      url text,
      method text,
      enabled boolean,
      total_calls bigint,
      success_rate numeric,
      created_at timestamptz
    ) LANGUAGE plpgsql AS $$
    BEGIN
      RETURN QUERY
      SELECT webhook.webhook_id, webhook.webhook_name, webhook.url, webhook.method, webhook.enabled,
        coalesce(calls.total, 0), coalesce(round(100.0 * calls.successes / calls.total, 2), 0), webhook.created_at
      FROM rule_webhooks webhook LEFT JOIN (
        SELECT call.webhook_id, count(*) AS total, count(*) FILTER (WHERE call.status = 'success') AS successes
        FROM rule_webhook_calls call
        GROUP BY call.webhook_id
      ) calls ON calls.webhook_id = webhook.webhook_id
      WHERE webhook.enabled OR NOT p_enabled_only
      ORDER BY webhook.created_at DESC;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_list IS
      'The endpoints, newest first, with how their rows in rule_webhook_calls fared (percent).';
  END IF;

  IF 'rule_webhook_get' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_get(p_identifier text) RETURNS json LANGUAGE plpgsql AS $$
    DECLARE
      found_row json;
    BEGIN
      -- A webhook may have a number for a name: its id counts first.
      SELECT row_to_json(webhook) INTO found_row
      FROM rule_webhooks webhook
      WHERE p_identifier IN (webhook_id::text, webhook_name)
      ORDER BY webhook_id::text = p_identifier DESC
      LIMIT 1;
      RETURN coalesce(found_row, json_build_object('error', 'Webhook not found'));
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_get IS 'The row of an endpoint, by its webhook_id or its name.';
  END IF;

  IF 'rule_webhook_enable_nats' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_enable_nats(
      p_webhook_id integer,
      p_nats_subject text DEFAULT NULL,
      p_publish_mode text DEFAULT 'both',
      p_config_name text DEFAULT 'default'
    ) RETURNS boolean LANGUAGE plpgsql AS $$
    DECLARE
      known_config_id integer;
    BEGIN
      SELECT config_id INTO known_config_id
      FROM rule_nats_config WHERE config_name = p_config_name AND enabled;
      IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found',
          MESSAGE = format('rule_nats_config has no enabled row %L', p_config_name);
      END IF;
      UPDATE rule_webhooks
      SET nats_enabled = true, nats_subject = coalesce(p_nats_subject, 'webhooks.' || webhook_name),
        nats_config_id = known_config_id, publish_mode = p_publish_mode
      WHERE webhook_id = p_webhook_id;
      IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found',
          MESSAGE = format('there is no webhook %s', p_webhook_id);
      END IF;
      RETURN true;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_enable_nats IS
      'Lets the extension publish to NATS for a webhook. Without a subject: webhooks.<name>.';
  END IF;

  IF 'rule_webhook_disable_nats' <> ALL (known) THEN
    CREATE FUNCTION rule_webhook_disable_nats(p_webhook_id integer) RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
      UPDATE rule_webhooks SET nats_enabled = false, publish_mode = 'queue' WHERE webhook_id = p_webhook_id;
      IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'no_data_found',
          MESSAGE = format('there is no webhook %s', p_webhook_id);
      END IF;
      RETURN true;
    END
    $$;
    COMMENT ON FUNCTION rule_webhook_disable_nats IS
      'Ends that: its calls go to rule_webhook_calls again. What was published is delivered.';
  END IF;

  IF 'rule_nats_webhooks_list' <> ALL (known) THEN
    CREATE FUNCTION rule_nats_webhooks_list()
    RETURNS TABLE (
      webhook_id integer,
      webhook_name text,
      nats_subject text,
      publish_mode text,
      config_name text,
      total_published bigint,
      success_rate numeric
    ) LANGUAGE plpgsql AS $$
    BEGIN
      RETURN QUERY
      SELECT webhook.webhook_id, webhook.webhook_name, webhook.nats_subject, webhook.publish_mode,
        config.config_name, coalesce(history.total, 0), round(100.0 * history.successes / history.total, 2)
      FROM rule_webhooks webhook
      LEFT JOIN rule_nats_config config ON config.config_id = webhook.nats_config_id
      LEFT JOIN (
        SELECT publish.webhook_id, count(*) AS total, count(*) FILTER (WHERE publish.success) AS successes
        FROM rule_nats_publish_history publish
        GROUP BY publish.webhook_id
      ) history ON history.webhook_id = webhook.webhook_id
      WHERE webhook.nats_enabled
      ORDER BY webhook.webhook_name;
    END
    $$;
    COMMENT ON FUNCTION rule_nats_webhooks_list IS
      'The webhooks that the extension publishes to NATS for, with how their publishes fared (percent).';
  END IF;
END
$do$;
