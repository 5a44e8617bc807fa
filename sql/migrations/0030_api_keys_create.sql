-- Keys for the HTTP API.
SET LOCAL lock_timeout = '5s';

CREATE TABLE rule_nats_api_keys (
  key_id text PRIMARY KEY,
  key_name text NOT NULL,
  key_hash bytea NOT NULL,
  scopes text[] NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL DEFAULT session_user,
  CONSTRAINT key_id_is_8_characters CHECK (key_id ~ '^[0-9A-Za-z]{8}$'),
  CONSTRAINT key_name_is_not_empty CHECK (key_name <> ''),
  CONSTRAINT key_hash_is_sha256 CHECK (length(key_hash) = 32),
  CONSTRAINT scopes_are_not_null CHECK (array_position(scopes, NULL) IS NULL)
);

COMMENT ON TABLE rule_nats_api_keys IS
  'Keys for the HTTP API. Written by operators with the command keys; api writes last_used_at; nothing deletes rows. Where a row is deleted, its key is unknown at once.';
COMMENT ON COLUMN rule_nats_api_keys.key_id IS 'The 8 characters behind whk_ in the key. Not secret.';
COMMENT ON COLUMN rule_nats_api_keys.key_hash IS 'SHA-256 of the text of the key. The key itself is stored nowhere.';
COMMENT ON COLUMN rule_nats_api_keys.scopes IS
  'What the key allows: publish:<name or pattern with *>, url, stats, read, operate, administer. A row with any other text allows nothing.';
COMMENT ON COLUMN rule_nats_api_keys.expires_at IS 'The key is refused from this time on. Null: never.';
COMMENT ON COLUMN rule_nats_api_keys.revoked_at IS 'Set by keys revoke: the key is refused, whatever the time is.';
COMMENT ON COLUMN rule_nats_api_keys.last_used_at IS 'Written by api about every 10 seconds. Null: never used.';
COMMENT ON COLUMN rule_nats_api_keys.created_by IS 'The role that made the key.';

-- The payload names the table, so that one channel serves for all tables of this kind.
CREATE FUNCTION rule_nats_access_notify() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  not_read CONSTANT text[] := ARRAY['last_used_at'];
BEGIN
  IF TG_LEVEL = 'ROW' THEN
    IF to_jsonb(OLD) - not_read = to_jsonb(NEW) - not_read THEN
      RETURN NULL;
    END IF;
  END IF;
  PERFORM pg_notify('nats_webhook_worker_access', TG_TABLE_NAME);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION rule_nats_access_notify IS
  'Tells api which table has changed, except for columns that it does not read: NOTIFY nats_webhook_worker_access.';

CREATE TRIGGER rule_nats_access_notify AFTER INSERT OR DELETE OR TRUNCATE ON rule_nats_api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION rule_nats_access_notify();
CREATE TRIGGER rule_nats_access_notify_update AFTER UPDATE ON rule_nats_api_keys
  FOR EACH ROW EXECUTE FUNCTION rule_nats_access_notify();
