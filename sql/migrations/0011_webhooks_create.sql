-- The registry of endpoints, the Rule Engine extension's tables, with its columns, types, defaults and names of
-- constraints: made where they are missing, as in 0001. Its migrations may come later: they skip tables and indexes that
-- exist, and the columns of its 007 where nats_enabled exists.
DO $$
BEGIN
  IF NOT has_table_privilege(to_regclass('rule_webhooks'), 'REFERENCES')
    AND (to_regclass('rule_webhook_secrets') IS NULL OR to_regclass('rule_webhook_calls') IS NULL) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format(
        'the role %I needs, on tables that another role owns: rule_webhooks (REFERENCES)', current_user),
      HINT = format(E'GRANT REFERENCES ON rule_webhooks TO %I;\n', current_user);
  END IF;

  IF to_regclass('rule_webhooks') IS NULL THEN
    CREATE TABLE rule_webhooks (
      webhook_id serial PRIMARY KEY,
      webhook_name text NOT NULL UNIQUE,
      description text,
      url text NOT NULL,
      method text DEFAULT 'POST' CHECK (method IN ('GET', 'POST', 'PUT', 'PATCH', 'DELETE')),
      headers jsonb DEFAULT '{}'::jsonb,
      timeout_ms integer DEFAULT 5000 CHECK (timeout_ms > 0 AND timeout_ms <= 60000),
      retry_enabled boolean DEFAULT true,
      max_retries integer DEFAULT 3 CHECK (max_retries >= 0 AND max_retries <= 10),
      retry_delay_ms integer DEFAULT 1000 CHECK (retry_delay_ms >= 0),
      retry_backoff_multiplier numeric DEFAULT 2.0 CHECK (retry_backoff_multiplier >= 1.0),
      enabled boolean DEFAULT true,
      created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      created_by text DEFAULT CURRENT_USER,
      updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      tags text[] DEFAULT '{}'
    );
    CREATE INDEX idx_webhooks_enabled ON rule_webhooks (enabled) WHERE enabled = true;
    COMMENT ON TABLE rule_webhooks IS
      'The endpoints. Written and deleted by operators (rule_webhook_register, _update, _delete), read by workers, which follow a change within a second, and write only what their columns'' comments say.';
    COMMENT ON COLUMN rule_webhooks.webhook_name IS
      'The endpoint of messages to webhooks.<name>, unless a nats_subject fits their subject.';
    COMMENT ON COLUMN rule_webhooks.timeout_ms IS 'Of one attempt.';
    COMMENT ON COLUMN rule_webhooks.retry_enabled IS 'False: one attempt.';
    COMMENT ON COLUMN rule_webhooks.max_retries IS 'Attempts after the first.';
    COMMENT ON COLUMN rule_webhooks.retry_delay_ms IS 'Before the second attempt; before each further one, longer by retry_backoff_multiplier.';
    COMMENT ON COLUMN rule_webhooks.enabled IS
      'False: its messages are parked, or dead-lettered, as DISABLED_ENDPOINT says. Written by operators; set to false by workers too, see disabled_reason.';
  END IF;

  IF to_regclass('rule_webhook_secrets') IS NULL THEN
    CREATE TABLE rule_webhook_secrets (
      secret_id serial PRIMARY KEY,
      webhook_id integer REFERENCES rule_webhooks (webhook_id) ON DELETE CASCADE,
      secret_name text NOT NULL,
      secret_value text NOT NULL,
      created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      created_by text DEFAULT CURRENT_USER,
      UNIQUE (webhook_id, secret_name)
    );
    COMMENT ON TABLE rule_webhook_secrets IS
      'Secrets of endpoints, in the clear: grant SELECT with care. Written and deleted by operators (rule_webhook_secret_set, _delete), read by workers.';
    COMMENT ON COLUMN rule_webhook_secrets.secret_name IS
      'signing_secret, and during a rotation signing_secret_<anything> beside it: all of them sign.';
  END IF;

  IF to_regclass('rule_webhook_calls') IS NULL THEN
    CREATE TABLE rule_webhook_calls (
      call_id serial PRIMARY KEY,
      webhook_id integer REFERENCES rule_webhooks (webhook_id) ON DELETE CASCADE,
      status text DEFAULT 'pending' CHECK (status IN ('pending', 'processing', 'success', 'failed', 'retrying')),
      payload jsonb NOT NULL,
      rule_name text,
      rule_execution_id bigint,
      scheduled_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      started_at timestamptz,
      completed_at timestamptz,
      retry_count integer DEFAULT 0,
      next_retry_at timestamptz,
      response_status integer,
      response_body text,
      response_headers jsonb,
      error_message text,
      execution_time_ms numeric,
      created_at timestamptz DEFAULT CURRENT_TIMESTAMP
    );
    CREATE INDEX idx_webhook_calls_status ON rule_webhook_calls (status, scheduled_at);
    CREATE INDEX idx_webhook_calls_webhook ON rule_webhook_calls (webhook_id, created_at DESC);
    CREATE INDEX idx_webhook_calls_retry ON rule_webhook_calls (next_retry_at) WHERE status = 'retrying';
    COMMENT ON TABLE rule_webhook_calls IS
      'Calls that wait in PostgreSQL: written by rule_webhook_enqueue, deleted with their webhook, or by the operator.';
  END IF;

  IF to_regclass('rule_webhook_call_history') IS NULL THEN
    CREATE TABLE rule_webhook_call_history (
      history_id serial PRIMARY KEY,
      call_id integer REFERENCES rule_webhook_calls (call_id) ON DELETE CASCADE,
      attempt_number integer NOT NULL,
      started_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      completed_at timestamptz,
      response_status integer,
      response_body text,
      error_message text,
      execution_time_ms numeric
    );
    COMMENT ON TABLE rule_webhook_call_history IS
      'Attempts of rule_webhook_calls. Written by the extension alone: ours are in rule_nats_delivery_attempts.';
  END IF;
END
$$;
