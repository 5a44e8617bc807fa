-- The tables we share with the PostgreSQL Rule Engine extension (KSD-CO/rule-engine-postgres), with its columns, types,
-- defaults and constraint names: made where they are missing, so that the extension may come before us, after us, or
-- never. Where it came before, its tables stay as they are, and only columns and indexes of our own are added.
-- Its index names (idx_nats_*) are never used here: it creates those without IF NOT EXISTS.

DO $$
BEGIN
  IF to_regclass('rule_nats_config') IS NULL THEN
    CREATE TABLE rule_nats_config (
      config_id serial PRIMARY KEY,
      config_name text NOT NULL UNIQUE DEFAULT 'default',
      nats_url text NOT NULL DEFAULT 'nats://localhost:4222',
      nats_cluster_urls text[],
      auth_type text DEFAULT 'none',
      auth_token text,
      auth_credentials_file text,
      auth_nkey_seed text,
      tls_enabled boolean DEFAULT false,
      tls_cert_file text,
      tls_key_file text,
      tls_ca_file text,
      max_connections integer DEFAULT 10,
      connection_timeout_ms integer DEFAULT 5000,
      reconnect_delay_ms integer DEFAULT 2000,
      max_reconnect_attempts integer DEFAULT -1,
      jetstream_enabled boolean DEFAULT true,
      stream_name text DEFAULT 'WEBHOOKS',
      subject_prefix text DEFAULT 'webhooks',
      enabled boolean DEFAULT true,
      created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      CONSTRAINT valid_auth_type CHECK (auth_type IN ('none', 'token', 'credentials', 'nkey'))
    );
    COMMENT ON TABLE rule_nats_config IS
      'How the Rule Engine extension reaches NATS. Written and deleted by the operator; the worker only lets rule_nats_streams refer to it: it connects to NATS_URL.';
  END IF;

  IF to_regclass('rule_nats_streams') IS NULL THEN
    CREATE TABLE rule_nats_streams (
      stream_id serial PRIMARY KEY,
      config_id integer NOT NULL REFERENCES rule_nats_config (config_id) ON DELETE CASCADE,
      stream_name text NOT NULL,
      subjects text[] NOT NULL,
      description text,
      storage_type text DEFAULT 'file',
      max_messages bigint DEFAULT 1000000,
      max_bytes bigint DEFAULT 1073741824,
      max_age_seconds bigint DEFAULT 604800,
      retention_policy text DEFAULT 'limits',
      discard_policy text DEFAULT 'old',
      replicas integer DEFAULT 1,
      duplicate_window_seconds integer DEFAULT 120,
      enabled boolean DEFAULT true,
      created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      UNIQUE (config_id, stream_name),
      CONSTRAINT valid_storage CHECK (storage_type IN ('memory', 'file')),
      CONSTRAINT valid_retention CHECK (retention_policy IN ('limits', 'interest', 'workqueue')),
      CONSTRAINT valid_discard CHECK (discard_policy IN ('old', 'new'))
    );
    COMMENT ON TABLE rule_nats_streams IS
      'The JetStream streams as they are to be made. Written and deleted by the operator (one row for WEBHOOKS by our migration); read by the worker when it makes a stream that is missing.';
    COMMENT ON COLUMN rule_nats_streams.max_messages IS '-1: no limit.';
    COMMENT ON COLUMN rule_nats_streams.max_bytes IS '-1: no limit.';
    COMMENT ON COLUMN rule_nats_streams.max_age_seconds IS '0: messages do not expire.';
  END IF;

  IF to_regclass('rule_nats_publish_history') IS NULL THEN
    CREATE TABLE rule_nats_publish_history (
      publish_id bigserial PRIMARY KEY,
      webhook_id integer,
      subject text NOT NULL,
      payload jsonb NOT NULL,
      headers jsonb,
      published_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      message_id text,
      sequence_number bigint,
      success boolean NOT NULL,
      error_message text,
      latency_ms numeric(10,2),
      triggered_by text,
      rule_execution_id bigint,
      expires_at timestamptz DEFAULT CURRENT_TIMESTAMP + interval '7 days'
    );
    IF has_table_privilege(to_regclass('rule_webhooks'), 'REFERENCES') THEN
      ALTER TABLE rule_nats_publish_history ADD CONSTRAINT rule_nats_publish_history_webhook_id_fkey
        FOREIGN KEY (webhook_id) REFERENCES rule_webhooks (webhook_id) ON DELETE CASCADE;
    END IF;
    COMMENT ON TABLE rule_nats_publish_history IS
      'What the Rule Engine extension published, and (triggered_by = nats-webhook-worker, success = false) the deliveries that a worker gave up. Each deletes its own rows after expires_at.';
    COMMENT ON COLUMN rule_nats_publish_history.message_id IS 'Of a delivery given up: its delivery id.';
    COMMENT ON COLUMN rule_nats_publish_history.payload IS
      'Of a delivery given up: {"delivery_id", "reason", "attempts", "url"}, and the webhook''s body as "data" with STORE_PAYLOADS=failures.';
  END IF;

  IF to_regclass('rule_nats_consumer_stats') IS NULL THEN
    CREATE TABLE rule_nats_consumer_stats (
      consumer_id serial PRIMARY KEY,
      stream_name text NOT NULL,
      consumer_name text NOT NULL,
      queue_group text,
      ack_policy text,
      max_deliver integer,
      messages_delivered bigint DEFAULT 0,
      messages_acknowledged bigint DEFAULT 0,
      messages_pending bigint DEFAULT 0,
      messages_redelivered bigint DEFAULT 0,
      avg_processing_time_ms numeric(10,2),
      last_active_at timestamptz,
      active boolean DEFAULT true,
      created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
      UNIQUE (stream_name, consumer_name)
    );
    COMMENT ON TABLE rule_nats_consumer_stats IS
      'One row a CONSUMER_NAME. Each worker adds what happened since its last flush; nothing deletes rows. Resetting one is up to the operator.';
    COMMENT ON COLUMN rule_nats_consumer_stats.messages_delivered IS
      'Hand-outs settled: acknowledged, retried or dead-lettered.';
    COMMENT ON COLUMN rule_nats_consumer_stats.messages_acknowledged IS 'Answered by the endpoint with a 2xx.';
    COMMENT ON COLUMN rule_nats_consumer_stats.messages_redelivered IS
      'Of messages_delivered: those that had been handed out before.';
    COMMENT ON COLUMN rule_nats_consumer_stats.messages_pending IS
      'What waits in the stream for the queue group. Not additive: each flush overwrites it.';
    COMMENT ON COLUMN rule_nats_consumer_stats.active IS
      'Whether a worker of this name runs. Set to false by its last flush, or by a peer when it went silent.';
  END IF;
END
$$;

-- Every column, index and right that we need on these tables. What we own we cure; what is another role's, its owner is
-- asked for, all of it in one error, since a migration that half succeeds helps nobody.
DO $$
DECLARE
  needed record;
  places text := '';
  cures text := '';
BEGIN
  FOR needed IN
    WITH columns_of_ours (table_name, column_name, definition) AS (
      VALUES
        ('rule_nats_consumer_stats', 'messages_retried', 'bigint NOT NULL DEFAULT 0'),
        ('rule_nats_consumer_stats', 'messages_dead_lettered', 'bigint NOT NULL DEFAULT 0'),
        ('rule_nats_consumer_stats', 'messages_handed_back', 'bigint NOT NULL DEFAULT 0'),
        ('rule_nats_consumer_stats', 'http_attempts', 'bigint NOT NULL DEFAULT 0'),
        ('rule_nats_consumer_stats', 'processing_time_ms_total', 'double precision NOT NULL DEFAULT 0'),
        ('rule_nats_consumer_stats', 'rows_dropped', 'bigint NOT NULL DEFAULT 0')
    ),
    indexes_of_ours (table_name, index_name, definition) AS (
      VALUES
        ('rule_nats_publish_history', 'nats_publish_history_failed_at',
         '(published_at DESC) WHERE NOT success'),
        ('rule_nats_publish_history', 'nats_publish_history_dead_letter',
         '(message_id) WHERE triggered_by = ''nats-webhook-worker'''),
        ('rule_nats_publish_history', 'nats_publish_history_dead_letter_expiry',
         '(expires_at) WHERE triggered_by = ''nats-webhook-worker''')
    ),
    rights_of_ours (table_name, right_name, id_column) AS (
      VALUES
        ('rule_nats_config', 'SELECT', NULL),
        ('rule_nats_config', 'INSERT', 'config_id'),
        ('rule_nats_streams', 'SELECT', NULL),
        ('rule_nats_streams', 'INSERT', 'stream_id'),
        ('rule_nats_publish_history', 'SELECT', NULL),
        ('rule_nats_publish_history', 'INSERT', 'publish_id'),
        ('rule_nats_publish_history', 'DELETE', NULL),
        ('rule_nats_consumer_stats', 'SELECT', NULL),
        ('rule_nats_consumer_stats', 'INSERT', 'consumer_id'),
        ('rule_nats_consumer_stats', 'UPDATE', NULL)
    ),
    wanted (table_name, place, cure) AS (
      SELECT table_name, 'column ' || column_name,
             format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS %I %s', table_name, column_name, definition)
      FROM columns_of_ours
      WHERE NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(table_name) AND attname = column_name AND NOT attisdropped
      )
      UNION ALL
      SELECT table_name, 'index ' || index_name,
             format('CREATE INDEX IF NOT EXISTS %I ON %I %s', index_name, table_name, definition)
      FROM indexes_of_ours
      WHERE to_regclass(index_name) IS NULL
      UNION ALL
      SELECT table_name, right_name, format('GRANT %s ON %I TO %I', right_name, table_name, current_user)
      FROM rights_of_ours
      WHERE NOT has_table_privilege(table_name, right_name)
      UNION ALL
      SELECT table_name, 'the numbers of ' || id_column,
             format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence(table_name, id_column), current_user)
      FROM rights_of_ours
      WHERE id_column IS NOT NULL
        AND NOT has_sequence_privilege(pg_get_serial_sequence(table_name, id_column), 'USAGE')
    )
    SELECT wanted.*, pg_has_role(pg_class.relowner, 'USAGE') AS owned
    FROM wanted JOIN pg_class ON pg_class.oid = to_regclass(wanted.table_name)
    ORDER BY wanted.table_name, wanted.place
  LOOP
    IF needed.owned THEN
      EXECUTE needed.cure;
    ELSE
      places := places || format(', %s (%s)', needed.table_name, needed.place);
      cures := cures || needed.cure || E';\n';
    END IF;
  END LOOP;
  IF cures <> '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the role %I needs, on tables that another role owns: %s', current_user, substr(places, 3)),
      HINT = cures;
  END IF;
END
$$;

-- A row that a worker of the extension filled has an average and no total: keep the average true when we add to it.
UPDATE rule_nats_consumer_stats
SET processing_time_ms_total = avg_processing_time_ms * messages_delivered
WHERE processing_time_ms_total = 0 AND avg_processing_time_ms * messages_delivered > 0;

INSERT INTO rule_nats_config (config_name)
SELECT 'default'
WHERE NOT EXISTS (SELECT FROM rule_nats_config WHERE config_name = 'default');

-- Nothing that waits is evicted, and a full stream refuses the publisher.
INSERT INTO rule_nats_streams (config_id, stream_name, subjects, description, storage_type, retention_policy,
  discard_policy, max_messages, max_bytes, max_age_seconds, replicas, duplicate_window_seconds)
SELECT config_id, 'WEBHOOKS', '{webhooks.*}', 'Webhooks that wait for delivery by nats-webhook-worker', 'file',
  'workqueue', 'new', -1, -1, 0, 1, 120
FROM rule_nats_config
WHERE config_name = 'default'
  AND NOT EXISTS (SELECT FROM rule_nats_streams WHERE stream_name = 'WEBHOOKS');
