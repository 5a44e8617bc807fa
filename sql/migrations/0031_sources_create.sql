-- Named producers of the HTTP API, and the secrets that sign their requests.
SET LOCAL lock_timeout = '5s';

CREATE TABLE rule_nats_sources (
  source_name text PRIMARY KEY,
  description text,
  signature text NOT NULL DEFAULT 'none',
  signature_header text,
  signature_prefix text,
  tolerance_ms integer NOT NULL DEFAULT 300000,
  key_required boolean NOT NULL DEFAULT false,
  schema jsonb,
  idempotency_key text,
  event_type text,
  event_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT source_name_is_one_token CHECK (source_name ~ '^[A-Za-z0-9_-]{1,200}$'),
  CONSTRAINT signature_is_a_scheme CHECK (signature IN ('none', 'hmac', 'github', 'standard-webhooks', 'stripe')),
  CONSTRAINT tolerance_ms_is_up_to_a_day CHECK (tolerance_ms BETWEEN 1000 AND 86400000),
  CONSTRAINT schema_is_an_object_or_a_boolean CHECK (jsonb_typeof(schema) IN ('object', 'boolean')),
  CONSTRAINT idempotency_key_is_a_declaration CHECK (idempotency_key ~ '^(body|header):.'),
  CONSTRAINT event_type_is_a_declaration CHECK (event_type ~ '^(body|header):.'),
  CONSTRAINT event_id_is_a_declaration CHECK (event_id ~ '^(body|header):.')
);

COMMENT ON TABLE rule_nats_sources IS
  'Named producers: what POST /webhooks/<source_name> checks. Written and deleted by operators, with the command sources or in SQL; api follows it within a second.';
COMMENT ON COLUMN rule_nats_sources.signature IS
  'How requests are signed: none, hmac (hex HMAC-SHA-256 of the body), github, standard-webhooks, stripe. Without a secret in rule_nats_source_secrets, nothing is verified.';
COMMENT ON COLUMN rule_nats_sources.signature_header IS
  'The header with the signature. Null: that of the scheme; for hmac X-Webhook-Signature.';
COMMENT ON COLUMN rule_nats_sources.signature_prefix IS 'For hmac: what stands before the hex digits, such as sha256=. Null: nothing; for github sha256=.';
COMMENT ON COLUMN rule_nats_sources.tolerance_ms IS 'How old a signed time may be, and how far ahead. For standard-webhooks and stripe.';
COMMENT ON COLUMN rule_nats_sources.key_required IS 'Requests need an API key also if their signature is verified. Without a secret, they always need one.';
COMMENT ON COLUMN rule_nats_sources.schema IS 'JSON Schema (2020-12) of the body. Null: any bytes are accepted.';
COMMENT ON COLUMN rule_nats_sources.idempotency_key IS
  'Where a request has its idempotency key: body:event_id, body:type+event_id, body:data.id, header:X-Request-Id. Null: what the scheme says, if its signature is verified; else none.';
COMMENT ON COLUMN rule_nats_sources.event_type IS 'Where a request has its event type, in the same form. Null: what the scheme says.';
COMMENT ON COLUMN rule_nats_sources.event_id IS 'Where a request has its event id, in the same form. Null: what the scheme says.';
COMMENT ON COLUMN rule_nats_sources.updated_at IS 'Set by a trigger.';

-- A table of its own, so that a role may see the sources and not their secrets.
CREATE TABLE rule_nats_source_secrets (
  secret_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source_name text NOT NULL REFERENCES rule_nats_sources ON DELETE CASCADE ON UPDATE CASCADE,
  secret_value text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT secret_value_is_not_empty CHECK (secret_value <> ''),
  CONSTRAINT secret_value_is_new UNIQUE (source_name, secret_value)
);
COMMENT ON TABLE rule_nats_source_secrets IS
  'Secrets that sign the requests to a source: a request with any of them is accepted. Written and deleted by operators.';

CREATE FUNCTION rule_nats_sources_touch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION rule_nats_sources_touch IS 'Keeps updated_at of rule_nats_sources true.';

CREATE TRIGGER rule_nats_sources_touch BEFORE UPDATE ON rule_nats_sources
  FOR EACH ROW EXECUTE FUNCTION rule_nats_sources_touch();

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['rule_nats_sources', 'rule_nats_source_secrets'] LOOP
    EXECUTE format(
      'CREATE TRIGGER rule_nats_access_notify AFTER INSERT OR DELETE OR TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_access_notify()', table_name);
    EXECUTE format(
      'CREATE TRIGGER rule_nats_access_notify_update AFTER UPDATE ON %I
         FOR EACH ROW EXECUTE FUNCTION rule_nats_access_notify()', table_name);
  END LOOP;
END
$$;
