-- What sql/migrations make, for reading. Generated: npx vitest run test/postgres/schema.test.ts -u

-- Keys for the HTTP API. Written by operators with the command keys; api writes last_used_at; nothing deletes rows. Where a row is deleted, its key is unknown at once.
CREATE TABLE rule_nats_api_keys (
  key_id text NOT NULL,
  key_name text NOT NULL,
  key_hash bytea NOT NULL,
  scopes text[] NOT NULL,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  created_by text NOT NULL DEFAULT SESSION_USER,
  CONSTRAINT rule_nats_api_keys_pkey PRIMARY KEY (key_id),
  CONSTRAINT key_hash_is_sha256 CHECK ((length(key_hash) = 32)),
  CONSTRAINT key_id_is_8_characters CHECK ((key_id ~ '^[0-9A-Za-z]{8}$'::text)),
  CONSTRAINT key_name_is_not_empty CHECK ((key_name <> ''::text)),
  CONSTRAINT scopes_are_not_null CHECK ((array_position(scopes, NULL::text) IS NULL))
);
CREATE TRIGGER rule_nats_access_notify AFTER INSERT OR DELETE OR TRUNCATE ON public.rule_nats_api_keys FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_access_notify();
CREATE TRIGGER rule_nats_access_notify_update AFTER UPDATE ON public.rule_nats_api_keys FOR EACH ROW EXECUTE FUNCTION rule_nats_access_notify();

-- Calls that the relay has published, and whose result is not known yet. Written by the relay; deleted by the worker that writes the result, or by the relay, which looks for results that no worker wrote.
CREATE TABLE rule_nats_call_messages (
  call_id integer NOT NULL,
  retry_count integer NOT NULL,
  message_id text NOT NULL,
  published_at timestamp with time zone NOT NULL DEFAULT now(),
  checked_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT rule_nats_call_messages_pkey PRIMARY KEY (call_id)
);
CREATE INDEX rule_nats_call_messages_checked ON public.rule_nats_call_messages USING btree (checked_at);

-- How the Rule Engine extension reaches NATS. Written and deleted by the operator; the worker only lets rule_nats_streams refer to it: it connects to NATS_URL.
CREATE TABLE rule_nats_config (
  config_id integer NOT NULL DEFAULT nextval('rule_nats_config_config_id_seq'::regclass),
  config_name text NOT NULL DEFAULT 'default'::text,
  nats_url text NOT NULL DEFAULT 'nats://localhost:4222'::text,
  nats_cluster_urls text[],
  auth_type text DEFAULT 'none'::text,
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
  max_reconnect_attempts integer DEFAULT '-1'::integer,
  jetstream_enabled boolean DEFAULT true,
  stream_name text DEFAULT 'WEBHOOKS'::text,
  subject_prefix text DEFAULT 'webhooks'::text,
  enabled boolean DEFAULT true,
  created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT rule_nats_config_config_name_key UNIQUE (config_name),
  CONSTRAINT rule_nats_config_pkey PRIMARY KEY (config_id),
  CONSTRAINT valid_auth_type CHECK ((auth_type = ANY (ARRAY['none'::text, 'token'::text, 'credentials'::text, 'nkey'::text])))
);

-- One row a CONSUMER_NAME. Each worker adds what happened since its last flush; nothing deletes rows. Resetting one is up to the operator.
CREATE TABLE rule_nats_consumer_stats (
  consumer_id integer NOT NULL DEFAULT nextval('rule_nats_consumer_stats_consumer_id_seq'::regclass),
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
  last_active_at timestamp with time zone,
  active boolean DEFAULT true,
  created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  http_attempts bigint NOT NULL DEFAULT 0,
  messages_dead_lettered bigint NOT NULL DEFAULT 0,
  messages_handed_back bigint NOT NULL DEFAULT 0,
  messages_retried bigint NOT NULL DEFAULT 0,
  processing_time_ms_total double precision NOT NULL DEFAULT 0,
  rows_dropped bigint NOT NULL DEFAULT 0,
  messages_parked bigint NOT NULL DEFAULT 0,
  messages_dropped bigint NOT NULL DEFAULT 0,
  CONSTRAINT rule_nats_consumer_stats_stream_name_consumer_name_key UNIQUE (stream_name, consumer_name),
  CONSTRAINT rule_nats_consumer_stats_pkey PRIMARY KEY (consumer_id)
);

-- One row per attempt that may have reached its endpoint, as ATTEMPT_LOG allows; and one row per discarded message (verdict discard), unless ATTEMPT_LOG=off. A delivery that was blocked or could not be sent has no row, only its dead letter. Written by workers in batches; partitioned by day (UTC); maintenance drops partitions older than ATTEMPT_RETENTION_DAYS.
CREATE TABLE rule_nats_delivery_attempts (
  delivery_id text NOT NULL,
  attempt_number integer NOT NULL,
  subject text NOT NULL,
  endpoint_key text NOT NULL,
  url text,
  method text,
  outcome text NOT NULL,
  status integer,
  error text,
  response_excerpt text,
  started_at timestamp with time zone NOT NULL,
  duration_ms numeric(12,3) NOT NULL,
  verdict text NOT NULL,
  dead_letter_reason text,
  next_attempt_at timestamp with time zone,
  worker text NOT NULL,
  recorded_at timestamp with time zone NOT NULL DEFAULT now(),
  webhook_id bigint,
  event_type text,
  event_id text,
  webhook_name text,
  CONSTRAINT attempt_number_is_not_negative CHECK ((attempt_number >= 0)),
  CONSTRAINT duration_ms_is_not_negative CHECK ((duration_ms >= (0)::numeric))
) PARTITION BY RANGE (started_at);
CREATE INDEX rule_nats_delivery_attempts_delivery ON ONLY public.rule_nats_delivery_attempts USING btree (delivery_id);
CREATE INDEX rule_nats_delivery_attempts_endpoint ON ONLY public.rule_nats_delivery_attempts USING btree (endpoint_key, started_at DESC);
CREATE INDEX rule_nats_delivery_attempts_failures ON ONLY public.rule_nats_delivery_attempts USING btree (started_at DESC) WHERE (verdict <> 'ack'::text);
CREATE INDEX rule_nats_delivery_attempts_started ON ONLY public.rule_nats_delivery_attempts USING btree (started_at DESC);

-- How each worker process sees its endpoints; nats_endpoint_health is what they see together. Written by flushes, a row only when it changed; deleted by any worker's maintenance a day after it was written, or an hour after its worker was last active.
CREATE TABLE rule_nats_endpoint_states (
  instance_id uuid NOT NULL,
  endpoint_key text NOT NULL,
  url text NOT NULL,
  state text NOT NULL,
  in_flight integer NOT NULL,
  waiting integer NOT NULL,
  parked bigint,
  successes bigint NOT NULL,
  failures bigint NOT NULL,
  last_error text,
  since timestamp with time zone NOT NULL,
  why text,
  written_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT rule_nats_endpoint_states_pkey PRIMARY KEY (instance_id, endpoint_key),
  CONSTRAINT state_is_known CHECK ((state = ANY (ARRAY['flowing'::text, 'full'::text, 'silent'::text, 'failing'::text, 'probing'::text, 'paused'::text])))
);

-- What an operator says about endpoints. Written and deleted by operators, never by workers, which follow it within seconds.
CREATE TABLE rule_nats_endpoints (
  endpoint_key text NOT NULL,
  paused boolean NOT NULL DEFAULT false,
  paused_reason text,
  max_concurrency integer,
  rate_limit numeric,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT rule_nats_endpoints_pkey PRIMARY KEY (endpoint_key),
  CONSTRAINT endpoint_key_is_one_token CHECK ((endpoint_key ~ '^[A-Za-z0-9_-]+$'::text)),
  CONSTRAINT max_concurrency_is_positive CHECK ((max_concurrency > 0)),
  CONSTRAINT rate_limit_is_positive CHECK (((rate_limit > (0)::numeric) AND ((rate_limit >= 0.00001) AND (rate_limit <= (1000000)::numeric))))
);
CREATE TRIGGER rule_nats_endpoints_notify AFTER INSERT OR DELETE OR TRUNCATE ON public.rule_nats_endpoints FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_endpoints_notify_update AFTER UPDATE ON public.rule_nats_endpoints FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_endpoints_touch BEFORE UPDATE ON public.rule_nats_endpoints FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_touch();

-- One row a queue group. Written by every flush of its workers; never deleted by them.
CREATE TABLE rule_nats_group_progress (
  stream_name text NOT NULL,
  queue_group text NOT NULL,
  stream_created_at timestamp with time zone NOT NULL,
  ack_floor bigint NOT NULL,
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT rule_nats_group_progress_pkey PRIMARY KEY (stream_name, queue_group),
  CONSTRAINT ack_floor_is_not_negative CHECK ((ack_floor >= 0))
);

-- One row, written by the migration, never changed by a program. A copy of the database that publishes to the same NATS needs an id of its own: UPDATE rule_nats_installation SET installation_id = gen_random_uuid().
CREATE TABLE rule_nats_installation (
  installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
  is_only_row boolean NOT NULL DEFAULT true,
  CONSTRAINT rule_nats_installation_pkey PRIMARY KEY (is_only_row),
  CONSTRAINT there_is_one_row CHECK (is_only_row)
);

-- Webhooks to publish. Written by the transactions of users (webhook_enqueue), deleted by the relay when NATS has stored the message. Rows with failed_at stay until webhook_outbox_retry, or until an operator deletes them.
CREATE TABLE rule_nats_outbox (
  id bigint NOT NULL,
  name text NOT NULL,
  data jsonb NOT NULL,
  webhook_url text,
  headers jsonb,
  message_id text NOT NULL,
  ordering_key text,
  bucket smallint,
  deliver_at timestamp with time zone,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  bytes integer NOT NULL DEFAULT 0,
  retries integer NOT NULL DEFAULT 0,
  failed_at timestamp with time zone,
  error text,
  CONSTRAINT rule_nats_outbox_pkey PRIMARY KEY (id),
  CONSTRAINT bucket_is_of_ordering_key CHECK (((bucket IS NULL) = (ordering_key IS NULL)))
);
CREATE INDEX rule_nats_outbox_failed ON public.rule_nats_outbox USING btree (failed_at DESC) WHERE (failed_at IS NOT NULL);
CREATE INDEX rule_nats_outbox_ordered ON public.rule_nats_outbox USING btree (bucket, id) WHERE ((failed_at IS NULL) AND (bucket IS NOT NULL));
CREATE INDEX rule_nats_outbox_unordered ON public.rule_nats_outbox USING btree (id) WHERE ((failed_at IS NULL) AND (bucket IS NULL));
CREATE TRIGGER rule_nats_outbox_check BEFORE INSERT ON public.rule_nats_outbox FOR EACH ROW EXECUTE FUNCTION rule_nats_outbox_check();

-- What the Rule Engine extension published, and (triggered_by = nats-webhook-worker, success = false) the deliveries that a worker gave up. Each deletes its own rows after expires_at.
CREATE TABLE rule_nats_publish_history (
  publish_id bigint NOT NULL DEFAULT nextval('rule_nats_publish_history_publish_id_seq'::regclass),
  webhook_id integer,
  subject text NOT NULL,
  payload jsonb NOT NULL,
  headers jsonb,
  published_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  message_id text,
  sequence_number bigint,
  success boolean NOT NULL,
  error_message text,
  latency_ms numeric(10,2),
  triggered_by text,
  rule_execution_id bigint,
  expires_at timestamp with time zone DEFAULT (CURRENT_TIMESTAMP + '7 days'::interval),
  CONSTRAINT rule_nats_publish_history_pkey PRIMARY KEY (publish_id)
);
CREATE INDEX nats_publish_history_dead_letter ON public.rule_nats_publish_history USING btree (message_id) WHERE (triggered_by = 'nats-webhook-worker'::text);
CREATE INDEX nats_publish_history_dead_letter_expiry ON public.rule_nats_publish_history USING btree (expires_at) WHERE (triggered_by = 'nats-webhook-worker'::text);
CREATE INDEX nats_publish_history_failed_at ON public.rule_nats_publish_history USING btree (published_at DESC) WHERE (NOT success);
CREATE INDEX nats_publish_history_outbox ON public.rule_nats_publish_history USING btree (published_at DESC) WHERE (triggered_by = ANY (ARRAY['outbox'::text, 'queue'::text]));

-- Secrets that sign the requests to a source: a request with any of them is accepted. Written and deleted by operators.
CREATE TABLE rule_nats_source_secrets (
  secret_id bigint NOT NULL,
  source_name text NOT NULL,
  secret_value text NOT NULL,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT secret_value_is_new UNIQUE (source_name, secret_value),
  CONSTRAINT rule_nats_source_secrets_pkey PRIMARY KEY (secret_id),
  CONSTRAINT rule_nats_source_secrets_source_name_fkey FOREIGN KEY (source_name) REFERENCES rule_nats_sources(source_name) ON UPDATE CASCADE ON DELETE CASCADE,
  CONSTRAINT secret_value_is_not_empty CHECK ((secret_value <> ''::text))
);
CREATE TRIGGER rule_nats_access_notify AFTER INSERT OR DELETE OR TRUNCATE ON public.rule_nats_source_secrets FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_access_notify();
CREATE TRIGGER rule_nats_access_notify_update AFTER UPDATE ON public.rule_nats_source_secrets FOR EACH ROW EXECUTE FUNCTION rule_nats_access_notify();

-- Named producers: what POST /webhooks/<source_name> checks. Written and deleted by operators, with the command sources or in SQL; api follows it within a second.
CREATE TABLE rule_nats_sources (
  source_name text NOT NULL,
  description text,
  signature text NOT NULL DEFAULT 'none'::text,
  signature_header text,
  signature_prefix text,
  tolerance_ms integer NOT NULL DEFAULT 300000,
  key_required boolean NOT NULL DEFAULT false,
  schema jsonb,
  idempotency_key text,
  event_type text,
  event_id text,
  created_at timestamp with time zone NOT NULL DEFAULT now(),
  updated_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT rule_nats_sources_pkey PRIMARY KEY (source_name),
  CONSTRAINT event_id_is_a_declaration CHECK ((event_id ~ '^(body|header):.'::text)),
  CONSTRAINT event_type_is_a_declaration CHECK ((event_type ~ '^(body|header):.'::text)),
  CONSTRAINT idempotency_key_is_a_declaration CHECK ((idempotency_key ~ '^(body|header):.'::text)),
  CONSTRAINT schema_is_an_object_or_a_boolean CHECK ((jsonb_typeof(schema) = ANY (ARRAY['object'::text, 'boolean'::text]))),
  CONSTRAINT signature_is_a_scheme CHECK ((signature = ANY (ARRAY['none'::text, 'hmac'::text, 'github'::text, 'standard-webhooks'::text, 'stripe'::text]))),
  CONSTRAINT source_name_is_one_token CHECK ((source_name ~ '^[A-Za-z0-9_-]{1,200}$'::text)),
  CONSTRAINT tolerance_ms_is_up_to_a_day CHECK (((tolerance_ms >= 1000) AND (tolerance_ms <= 86400000)))
);
CREATE TRIGGER rule_nats_access_notify AFTER INSERT OR DELETE OR TRUNCATE ON public.rule_nats_sources FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_access_notify();
CREATE TRIGGER rule_nats_access_notify_update AFTER UPDATE ON public.rule_nats_sources FOR EACH ROW EXECUTE FUNCTION rule_nats_access_notify();
CREATE TRIGGER rule_nats_sources_touch BEFORE UPDATE ON public.rule_nats_sources FOR EACH ROW EXECUTE FUNCTION rule_nats_sources_touch();

-- The JetStream streams as they are to be made. Written and deleted by the operator (one row for WEBHOOKS by our migration); read by the worker when it makes a stream that is missing.
CREATE TABLE rule_nats_streams (
  stream_id integer NOT NULL DEFAULT nextval('rule_nats_streams_stream_id_seq'::regclass),
  config_id integer NOT NULL,
  stream_name text NOT NULL,
  subjects text[] NOT NULL,
  description text,
  storage_type text DEFAULT 'file'::text,
  max_messages bigint DEFAULT 1000000,
  max_bytes bigint DEFAULT 1073741824,
  max_age_seconds bigint DEFAULT 604800,
  retention_policy text DEFAULT 'limits'::text,
  discard_policy text DEFAULT 'old'::text,
  replicas integer DEFAULT 1,
  duplicate_window_seconds integer DEFAULT 120,
  enabled boolean DEFAULT true,
  created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT rule_nats_streams_config_id_stream_name_key UNIQUE (config_id, stream_name),
  CONSTRAINT rule_nats_streams_pkey PRIMARY KEY (stream_id),
  CONSTRAINT rule_nats_streams_config_id_fkey FOREIGN KEY (config_id) REFERENCES rule_nats_config(config_id) ON DELETE CASCADE,
  CONSTRAINT valid_discard CHECK ((discard_policy = ANY (ARRAY['old'::text, 'new'::text]))),
  CONSTRAINT valid_retention CHECK ((retention_policy = ANY (ARRAY['limits'::text, 'interest'::text, 'workqueue'::text]))),
  CONSTRAINT valid_storage CHECK ((storage_type = ANY (ARRAY['memory'::text, 'file'::text])))
);

-- The webhooks that the HTTP API answered with 202, one row per webhook. Written by the commands api and all, with INGEST_LOG=on; deleted by workers after ATTEMPT_RETENTION_DAYS.
CREATE TABLE rule_nats_webhooks (
  delivery_id text NOT NULL,
  webhook_name text NOT NULL,
  event_type text,
  event_id text,
  stream_sequence bigint NOT NULL,
  received_at timestamp with time zone NOT NULL,
  CONSTRAINT rule_nats_webhooks_pkey PRIMARY KEY (delivery_id)
);
CREATE INDEX rule_nats_webhooks_event_id ON public.rule_nats_webhooks USING btree (event_id) WHERE (event_id IS NOT NULL);
CREATE INDEX rule_nats_webhooks_received_at ON public.rule_nats_webhooks USING btree (received_at);

-- One row per worker process. Written by its first flush, before it takes a message, and by every later flush. Marked inactive by its last flush or by a peer. Deleted by the maintenance of any worker 30 days after it was last active.
CREATE TABLE rule_nats_worker_instances (
  instance_id uuid NOT NULL,
  stream_name text NOT NULL,
  consumer_name text NOT NULL,
  last_number bigint NOT NULL,
  silent_after_ms bigint NOT NULL,
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  last_active_at timestamp with time zone NOT NULL DEFAULT now(),
  active boolean NOT NULL DEFAULT true,
  queue_group text,
  version text,
  features text[],
  settings jsonb,
  CONSTRAINT rule_nats_worker_instances_pkey PRIMARY KEY (instance_id),
  CONSTRAINT last_number_is_positive CHECK ((last_number > 0)),
  CONSTRAINT silent_after_ms_is_positive CHECK ((silent_after_ms > 0))
);
CREATE INDEX rule_nats_worker_instances_consumer ON public.rule_nats_worker_instances USING btree (stream_name, consumer_name) WHERE active;

-- The files of sql/migrations that were applied here. Written by whoever migrates; never deleted.
CREATE TABLE rule_nats_worker_migrations (
  name text NOT NULL,
  checksum text NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now(),
  CONSTRAINT rule_nats_worker_migrations_pkey PRIMARY KEY (name)
);

-- Attempts of rule_webhook_calls. Written by the extension, and by workers for calls that the relay published.
CREATE TABLE rule_webhook_call_history (
  history_id integer NOT NULL DEFAULT nextval('rule_webhook_call_history_history_id_seq'::regclass),
  call_id integer,
  attempt_number integer NOT NULL,
  started_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  completed_at timestamp with time zone,
  response_status integer,
  response_body text,
  error_message text,
  execution_time_ms numeric,
  CONSTRAINT rule_webhook_call_history_pkey PRIMARY KEY (history_id),
  CONSTRAINT rule_webhook_call_history_call_id_fkey FOREIGN KEY (call_id) REFERENCES rule_webhook_calls(call_id) ON DELETE CASCADE
);

-- Calls that wait in PostgreSQL: written by rule_webhook_enqueue, published by the relay (status processing), finished by the worker that settles the message (success, failed). Deleted with their webhook, or by the operator.
CREATE TABLE rule_webhook_calls (
  call_id integer NOT NULL DEFAULT nextval('rule_webhook_calls_call_id_seq'::regclass),
  webhook_id integer,
  status text DEFAULT 'pending'::text,
  payload jsonb NOT NULL,
  rule_name text,
  rule_execution_id bigint,
  scheduled_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  started_at timestamp with time zone,
  completed_at timestamp with time zone,
  retry_count integer DEFAULT 0,
  next_retry_at timestamp with time zone,
  response_status integer,
  response_body text,
  response_headers jsonb,
  error_message text,
  execution_time_ms numeric,
  created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  CONSTRAINT rule_webhook_calls_pkey PRIMARY KEY (call_id),
  CONSTRAINT rule_webhook_calls_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES rule_webhooks(webhook_id) ON DELETE CASCADE,
  CONSTRAINT rule_webhook_calls_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'processing'::text, 'success'::text, 'failed'::text, 'retrying'::text])))
);
CREATE INDEX idx_webhook_calls_retry ON public.rule_webhook_calls USING btree (next_retry_at) WHERE (status = 'retrying'::text);
CREATE INDEX idx_webhook_calls_status ON public.rule_webhook_calls USING btree (status, scheduled_at);
CREATE INDEX idx_webhook_calls_webhook ON public.rule_webhook_calls USING btree (webhook_id, created_at DESC);
CREATE TRIGGER rule_nats_calls_notify AFTER INSERT ON public.rule_webhook_calls FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_calls_notify();

-- Secrets of endpoints, in the clear: grant SELECT with care. Written and deleted by operators (rule_webhook_secret_set, _delete), read by workers.
CREATE TABLE rule_webhook_secrets (
  secret_id integer NOT NULL DEFAULT nextval('rule_webhook_secrets_secret_id_seq'::regclass),
  webhook_id integer,
  secret_name text NOT NULL,
  secret_value text NOT NULL,
  created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  created_by text DEFAULT CURRENT_USER,
  CONSTRAINT rule_webhook_secrets_webhook_id_secret_name_key UNIQUE (webhook_id, secret_name),
  CONSTRAINT rule_webhook_secrets_pkey PRIMARY KEY (secret_id),
  CONSTRAINT rule_webhook_secrets_webhook_id_fkey FOREIGN KEY (webhook_id) REFERENCES rule_webhooks(webhook_id) ON DELETE CASCADE
);
CREATE TRIGGER rule_nats_endpoints_notify AFTER INSERT OR DELETE OR TRUNCATE ON public.rule_webhook_secrets FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_endpoints_notify_row AFTER INSERT OR DELETE ON public.rule_webhook_secrets FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_endpoints_notify_update AFTER UPDATE ON public.rule_webhook_secrets FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify();

-- The endpoints. Written and deleted by operators (rule_webhook_register, _update, _delete), read by workers, which follow a change within a second, and write only what their columns' comments say.
CREATE TABLE rule_webhooks (
  webhook_id integer NOT NULL DEFAULT nextval('rule_webhooks_webhook_id_seq'::regclass),
  webhook_name text NOT NULL,
  description text,
  url text NOT NULL,
  method text DEFAULT 'POST'::text,
  headers jsonb DEFAULT '{}'::jsonb,
  timeout_ms integer DEFAULT 5000,
  retry_enabled boolean DEFAULT true,
  max_retries integer DEFAULT 3,
  retry_delay_ms integer DEFAULT 1000,
  retry_backoff_multiplier numeric DEFAULT 2.0,
  enabled boolean DEFAULT true,
  created_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  created_by text DEFAULT CURRENT_USER,
  updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP,
  tags text[] DEFAULT '{}'::text[],
  nats_enabled boolean DEFAULT false,
  nats_subject text,
  nats_config_id integer,
  publish_mode text DEFAULT 'queue'::text,
  paused boolean NOT NULL DEFAULT false,
  paused_reason text,
  max_concurrency integer,
  rate_limit numeric,
  event_types text[],
  success_statuses integer[],
  body_template text,
  params jsonb,
  hub_signature boolean NOT NULL DEFAULT false,
  disabled_at timestamp with time zone,
  disabled_reason text,
  failing_since timestamp with time zone,
  retry_schedule text,
  CONSTRAINT rule_webhooks_webhook_name_key UNIQUE (webhook_name),
  CONSTRAINT rule_webhooks_pkey PRIMARY KEY (webhook_id),
  CONSTRAINT rule_webhooks_nats_config_id_fkey FOREIGN KEY (nats_config_id) REFERENCES rule_nats_config(config_id),
  CONSTRAINT max_concurrency_is_positive CHECK ((max_concurrency > 0)),
  CONSTRAINT params_is_an_object CHECK ((jsonb_typeof(params) = 'object'::text)),
  CONSTRAINT rate_limit_is_positive CHECK (((rate_limit >= 0.00001) AND (rate_limit <= (1000000)::numeric))),
  CONSTRAINT retry_schedule_delays_are_possible CHECK (
CASE
    WHEN (retry_schedule ~ '^\s*\d+(\.\d+)?(ms|s|m|h|d)(\s*,\s*\d+(\.\d+)?(ms|s|m|h|d))*\s*$'::text) THEN ((cardinality(string_to_array(retry_schedule, ','::text)) <= 99) AND (NOT jsonb_path_exists(((('['::text || regexp_replace(retry_schedule, '\s*(\d+(?:\.\d+)?)(ms|s|m|h|d)\s*'::text, '{"\2":"\1"}'::text, 'g'::text)) || ']'::text))::jsonb, '$[*]?(((((((((@."ms".double() < 0.5 || @."ms".double() >= 604800000.5) || @."s".double() * 1000 < 0.5) || @."s".double() * 1000 >= 604800000.5) || @."m".double() * 60000 < 0.5) || @."m".double() * 60000 >= 604800000.5) || @."h".double() * 3600000 < 0.5) || @."h".double() * 3600000 >= 604800000.5) || @."d".double() * 86400000 < 0.5) || @."d".double() * 86400000 >= 604800000.5)'::jsonpath)))
    ELSE true
END) NOT VALID,
  CONSTRAINT retry_schedule_is_a_schedule CHECK ((retry_schedule ~ '^\s*(standard|\d+(\.\d+)?(ms|s|m|h|d)(\s*,\s*\d+(\.\d+)?(ms|s|m|h|d))*)\s*$'::text)),
  CONSTRAINT rule_webhooks_max_retries_check CHECK (((max_retries >= 0) AND (max_retries <= 10))),
  CONSTRAINT rule_webhooks_method_check CHECK ((method = ANY (ARRAY['GET'::text, 'POST'::text, 'PUT'::text, 'PATCH'::text, 'DELETE'::text]))),
  CONSTRAINT rule_webhooks_retry_backoff_multiplier_check CHECK ((retry_backoff_multiplier >= 1.0)),
  CONSTRAINT rule_webhooks_retry_delay_ms_check CHECK ((retry_delay_ms >= 0)),
  CONSTRAINT rule_webhooks_timeout_ms_check CHECK (((timeout_ms > 0) AND (timeout_ms <= 60000))),
  CONSTRAINT success_statuses_are_statuses CHECK (((100 <= ALL (success_statuses)) AND (599 >= ALL (success_statuses)))),
  CONSTRAINT valid_publish_mode CHECK ((publish_mode = ANY (ARRAY['queue'::text, 'nats'::text, 'both'::text])))
);
CREATE INDEX idx_webhooks_enabled ON public.rule_webhooks USING btree (enabled) WHERE (enabled = true);
CREATE TRIGGER rule_nats_endpoints_notify AFTER INSERT OR DELETE OR TRUNCATE ON public.rule_webhooks FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_endpoints_notify_row AFTER INSERT OR DELETE ON public.rule_webhooks FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_endpoints_notify_update AFTER UPDATE ON public.rule_webhooks FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_notify();
CREATE TRIGGER rule_nats_webhook_cured BEFORE UPDATE ON public.rule_webhooks FOR EACH ROW EXECUTE FUNCTION rule_nats_webhook_cured();

-- One row per webhook and endpoint that was tried, given up or discarded. WHERE delivery_id = ... uses the index. Reaches back as far as ATTEMPT_RETENTION_DAYS (dead letters: 7 days).
-- VIEW nats_deliveries
--   delivery_id text
--   subject text
--   endpoint text
--   url text
--   status text
--   attempts integer
--   last_status integer
--   last_error text
--   dead_letter_reason text
--   next_retry_at timestamp with time zone
--   first_attempt_at timestamp with time zone
--   completed_at timestamp with time zone
--   webhook_id bigint
--   event_type text
--   event_id text
--   webhook_name text

-- What happened to deliveries, a row each time: every attempt, and every dead letter that no attempt row tells of (nothing was sent, ATTEMPT_LOG=off, a full buffer, or the retention is over).
-- VIEW nats_delivery_events
--   delivery_id text
--   happened_at timestamp with time zone
--   ended_at timestamp with time zone
--   subject text
--   endpoint_key text
--   url text
--   attempt_number integer
--   was_attempted boolean
--   outcome text
--   status integer
--   error text
--   verdict text
--   dead_letter_reason text
--   next_attempt_at timestamp with time zone
--   webhook_id bigint
--   event_type text
--   event_id text
--   webhook_name text

-- The last 100 deliveries given up (and publishes that failed) in 24 hours. error_message: <reason>: <error>.
-- VIEW nats_delivery_failures
--   publish_id bigint
--   webhook_name text
--   subject text
--   error_message text
--   payload jsonb
--   published_at timestamp with time zone
--   latency_ms numeric(10,2)

-- How long the endpoints of each subject took to accept a webhook, over 24 hours. Empty unless ATTEMPT_LOG=all.
-- VIEW nats_delivery_performance
--   webhook_name text
--   subject text
--   message_count bigint
--   avg_latency_ms numeric
--   min_latency_ms numeric
--   max_latency_ms numeric
--   p50_latency_ms double precision
--   p95_latency_ms double precision
--   p99_latency_ms double precision

-- One row an endpoint (and stream), over all workers that run. As fresh as their flushes.
-- VIEW nats_endpoint_health
--   stream_name text
--   endpoint_key text
--   url text
--   state text
--   in_flight bigint
--   parked bigint
--   success_share numeric
--   last_error text
--   since timestamp with time zone
--   why text
--   workers bigint
--   updated_at timestamp with time zone

-- What went wrong in the last 24 hours, alike errors together: numbers and ids in their text are replaced.
-- VIEW nats_error_patterns
--   pattern text
--   outcome text
--   dead_letter_reason text
--   occurrences bigint
--   deliveries bigint
--   endpoints bigint
--   first_seen_at timestamp with time zone
--   last_seen_at timestamp with time zone

-- One row: how many webhooks wait in the outbox, how many NATS refuses, and since when the oldest one waits.
-- VIEW nats_outbox_backlog
--   waiting integer
--   failed integer
--   oldest_enqueued_at timestamp with time zone
--   oldest_age_ms bigint

-- The webhooks of the outbox, newest first: those that wait, those that NATS refuses (until webhook_outbox_retry), and those that were published (7 days, with OUTBOX_HISTORY=all).
-- VIEW nats_outbox_events
--   id bigint
--   name text
--   status text
--   happened_at timestamp with time zone
--   enqueued_at timestamp with time zone
--   message_id text
--   ordering_key text
--   deliver_at timestamp with time zone
--   subject text
--   sequence bigint
--   error text
--   retries integer

-- nats_delivery_performance, until the Rule Engine extension brings its own.
-- VIEW nats_performance_stats
--   webhook_name text
--   subject text
--   message_count bigint
--   avg_latency_ms numeric
--   min_latency_ms numeric
--   max_latency_ms numeric
--   p50_latency_ms double precision
--   p95_latency_ms double precision
--   p99_latency_ms double precision

-- nats_delivery_failures, until the Rule Engine extension brings its own.
-- VIEW nats_recent_failures
--   publish_id bigint
--   webhook_name text
--   subject text
--   error_message text
--   payload jsonb
--   published_at timestamp with time zone
--   latency_ms numeric(10,2)

-- Deliveries of the last 24 hours by name, event type, status and the hour of their newest attempt or dead letter. With ATTEMPT_LOG=off or failures it lacks what has no attempt rows.
-- VIEW nats_webhook_counts
--   webhook_name text
--   event_type text
--   status text
--   hour timestamp with time zone
--   deliveries bigint

-- The endpoint_key of a URL: <host>-<8 hex digits of its origin's SHA-256>. Path and query do not matter.
-- FUNCTION nats_endpoint_key(text)

-- Tells api which table has changed, except for columns that it does not read: NOTIFY nats_webhook_worker_access.
-- FUNCTION rule_nats_access_notify()

-- Wakes a relay that sleeps.
-- FUNCTION rule_nats_calls_notify()

-- Makes the partition of a day (UTC). Called by workers, who need not own the table.
-- FUNCTION rule_nats_delivery_attempts_add_day(date)

-- Drops the partition of a day (UTC), and its rows. Called by workers past ATTEMPT_RETENTION_DAYS.
-- FUNCTION rule_nats_delivery_attempts_drop_day(date)

-- Tells workers which endpoint, or the secret of which, has changed: NOTIFY nats_webhook_worker_endpoints.
-- FUNCTION rule_nats_endpoints_notify()

-- Keeps updated_at of rule_nats_endpoints true.
-- FUNCTION rule_nats_endpoints_touch()

-- Refuses a row of rule_nats_outbox that could never be sent, fills its defaults, and wakes a relay that sleeps.
-- FUNCTION rule_nats_outbox_check()

-- Keeps updated_at of rule_nats_sources true.
-- FUNCTION rule_nats_sources_touch()

-- Empties what workers wrote of a webhook's failures when it is enabled again or has another URL.
-- FUNCTION rule_nats_webhook_cured()

-- The name in rule_webhooks, else the last token of the subject: webhooks.<name>.
-- FUNCTION rule_nats_webhook_name(integer,text)

-- The webhooks that the extension publishes to NATS for, with how their publishes fared (percent).
-- FUNCTION rule_nats_webhooks_list()

-- Deletes an endpoint, its secrets and calls. Returns whether there was one of that webhook_id.
-- FUNCTION rule_webhook_delete(integer)

-- Ends that: its calls go to rule_webhook_calls again. What was published is delivered.
-- FUNCTION rule_webhook_disable_nats(integer)

-- Lets the extension publish to NATS for a webhook. Without a subject: webhooks.<name>.
-- FUNCTION rule_webhook_enable_nats(integer,text,text,text)

-- Adds a call to rule_webhook_calls. Returns its call_id.
-- FUNCTION rule_webhook_enqueue(integer,jsonb,text,timestamp with time zone)

-- The row of an endpoint, by its webhook_id or its name.
-- FUNCTION rule_webhook_get(text)

-- The endpoints, newest first, with how their rows in rule_webhook_calls fared (percent).
-- FUNCTION rule_webhook_list(boolean)

-- Adds an endpoint. Returns its webhook_id.
-- FUNCTION rule_webhook_register(text,text,text,jsonb,text,integer,integer)

-- Deletes a secret of an endpoint. Returns whether there was one of that name.
-- FUNCTION rule_webhook_secret_delete(integer,text)

-- A secret of an endpoint, for who may read it; else null.
-- FUNCTION rule_webhook_secret_get(integer,text)

-- Sets a secret of an endpoint: signing_secret signs, and so does every signing_secret_<anything> beside it. Refuses one that cannot sign.
-- FUNCTION rule_webhook_secret_set(integer,text,text)

-- Changes what is not null of an endpoint. Returns whether there is one of that webhook_id.
-- FUNCTION rule_webhook_update(integer,text,text,jsonb,integer,boolean)

-- Enqueues a webhook in the transaction of the caller: published if that commits, never if it rolls back. Returns the id of the row in rule_nats_outbox. Needs INSERT on rule_nats_outbox, and SELECT on its column id.
-- FUNCTION webhook_enqueue(text,jsonb,text,jsonb,text,text,timestamp with time zone)

-- Waits until no other transaction holds this lock for the key, and holds it until the end of the transaction. Where writers of one ordering key share no other lock, call this before webhook_enqueue: the ids of the key then follow the commits. Two transactions that lock several keys must lock them in the same order.
-- FUNCTION webhook_enqueue_lock(text)

-- Lets the relay publish a row with failed_at again, with the same webhook-id. Returns whether there was one of that id. Webhooks of its ordering key that came later were published meanwhile.
-- FUNCTION webhook_outbox_retry(bigint)
