-- The transactional outbox: a row per webhook to publish, written in the user's own transaction, published by the command relay.
SET LOCAL lock_timeout = '5s';

CREATE TABLE rule_nats_installation (
  installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
  is_only_row boolean PRIMARY KEY DEFAULT true,
  CONSTRAINT there_is_one_row CHECK (is_only_row)
);
INSERT INTO rule_nats_installation DEFAULT VALUES;
COMMENT ON TABLE rule_nats_installation IS
  'One row, written by the migration, never changed by a program. A copy of the database that publishes to the same NATS needs an id of its own: UPDATE rule_nats_installation SET installation_id = gen_random_uuid().';
COMMENT ON COLUMN rule_nats_installation.installation_id IS
  'Part of the ids of messages that the relay publishes: two databases on one NATS must not have equal ids.';

CREATE TABLE rule_nats_outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  data jsonb NOT NULL,
  webhook_url text,
  headers jsonb,
  message_id text NOT NULL,
  ordering_key text,
  bucket smallint,
  deliver_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  bytes integer NOT NULL DEFAULT 0,
  retries integer NOT NULL DEFAULT 0,
  failed_at timestamptz,
  error text,
  CONSTRAINT bucket_is_of_ordering_key CHECK ((bucket IS NULL) = (ordering_key IS NULL))
) WITH (
  -- Rows live for milliseconds, so dead rows are nearly all there is: vacuum by their number, not by a share of the table.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 5000, toast.autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX rule_nats_outbox_unordered ON rule_nats_outbox (id) WHERE failed_at IS NULL AND bucket IS NULL;
CREATE INDEX rule_nats_outbox_ordered ON rule_nats_outbox (bucket, id) WHERE failed_at IS NULL AND bucket IS NOT NULL;
CREATE INDEX rule_nats_outbox_failed ON rule_nats_outbox (failed_at DESC) WHERE failed_at IS NOT NULL;

COMMENT ON TABLE rule_nats_outbox IS
  'Webhooks to publish. Written by the transactions of users (webhook_enqueue), deleted by the relay when NATS has stored the message. Rows with failed_at stay until webhook_outbox_retry, or until an operator deletes them.';
COMMENT ON COLUMN rule_nats_outbox.id IS
  'Given at the insert. Transactions may commit in another order.';
COMMENT ON COLUMN rule_nats_outbox.name IS 'The subject of the message is webhooks.<name>.';
COMMENT ON COLUMN rule_nats_outbox.data IS 'The body.';
COMMENT ON COLUMN rule_nats_outbox.webhook_url IS
  'Where to send it. Null: to the rows of rule_webhooks that match the subject.';
COMMENT ON COLUMN rule_nats_outbox.headers IS 'Headers of the request: an object of strings, numbers and booleans.';
COMMENT ON COLUMN rule_nats_outbox.message_id IS 'Sent as webhook-id. Default outbox-<uuid>.';
COMMENT ON COLUMN rule_nats_outbox.ordering_key IS
  'Webhooks with the same key are published, and delivered, one after the other, by id. Null: in any order.';
COMMENT ON COLUMN rule_nats_outbox.bucket IS
  'Set by a trigger: 0 to 63, a hash of ordering_key. One relay at a time publishes the rows of a bucket.';
COMMENT ON COLUMN rule_nats_outbox.deliver_at IS 'Nothing is sent before this time. Null: at once.';
COMMENT ON COLUMN rule_nats_outbox.bytes IS 'Set by a trigger: of data, headers and webhook_url as text. Bounds what the relay reads at once.';
COMMENT ON COLUMN rule_nats_outbox.retries IS
  'Calls of webhook_outbox_retry. Part of the id in NATS, so that NATS does not take the message for a duplicate.';
COMMENT ON COLUMN rule_nats_outbox.failed_at IS 'Written by the relay: NATS refuses this message for good. Null: the row waits.';
COMMENT ON COLUMN rule_nats_outbox.error IS 'Why NATS refuses it. Written by the relay.';

-- Judges a row inside the transaction of its writer: what could never be sent is refused there, with words.
CREATE FUNCTION rule_nats_outbox_check() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
  problem text;
  size integer := octet_length(NEW.data::text) + coalesce(octet_length(NEW.headers::text), 0)
    + coalesce(octet_length(NEW.webhook_url), 0);
  -- Larger where the server takes more: ALTER DATABASE ... SET nats_webhook_worker.max_payload = '8388608'. In bytes.
  max_payload CONSTANT integer :=
    coalesce(nullif(current_setting('nats_webhook_worker.max_payload', true), ''), '1048576')::integer;
  -- Room for the headers that the relay adds.
  room CONSTANT integer := 2048;
BEGIN
  NEW.message_id := coalesce(NEW.message_id, 'outbox-' || gen_random_uuid());
  -- "C": a collation must not decide what a letter is.
  problem := CASE
    WHEN NEW.name IS NULL OR NEW.data IS NULL THEN 'name and data must not be null (data may be ''null''::jsonb)'
    WHEN NEW.name IN ('', '*', '>') OR char_length(NEW.name) > 255
      OR NEW.name COLLATE "C" ~ '[.\s\x01-\x1f\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]'
      THEN 'name must be 1 to 255 characters without dots, white space and wildcards, because the subject is webhooks.<name>'
    -- Not one expression with {1,200}: PostgreSQL takes 0.1 ms for it.
    WHEN length(NEW.message_id) NOT BETWEEN 1 AND 200 OR NEW.message_id COLLATE "C" ~ '[^\x21-\x2d\x2f-\x39\x3b-\x7e]'
      THEN 'message_id must be 1 to 200 visible ASCII characters, without a dot and a colon'
    WHEN octet_length(NEW.ordering_key) NOT BETWEEN 1 AND 200 THEN 'ordering_key must have 1 to 200 bytes'
    WHEN NEW.deliver_at NOT BETWEEN '1970-01-01 00:00:00+00' AND '9999-01-01 00:00:00+00'
      THEN 'deliver_at must be a time between the years 1970 and 9999'
    WHEN NEW.webhook_url COLLATE "C" !~* '^https?://[^\s/?#@]+([/?#]|$)'
      OR NEW.webhook_url COLLATE "C" ~ '[\x01-\x20\x7f]'
      THEN 'webhook_url must be an http or https URL with a host, without user, password and white space'
    WHEN octet_length(NEW.webhook_url) > 65536 THEN 'webhook_url is longer than 65536 bytes'
    WHEN jsonb_typeof(NEW.headers) <> 'object' THEN 'headers must be a JSON object'
    WHEN octet_length(NEW.headers::text) > 65536 THEN 'headers is longer than 65536 bytes'
    WHEN size > max_payload - room
      THEN format('it has %s bytes, and NATS takes %s (max_payload) with the headers of the relay (%s)', size, max_payload, room)
  END;
  IF problem IS NULL AND NEW.headers IS NOT NULL AND NEW.headers <> '{}' THEN
    SELECT CASE
        WHEN key COLLATE "C" !~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$' THEN format('headers: %L is not a name of a header', left(key, 60))
        WHEN lower(key) IN ('host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection',
          'proxy-authorization', 'te', 'trailer', 'upgrade', 'expect')
          THEN format('headers: %L belongs to the connection; leave it out', key)
        WHEN jsonb_typeof(value) NOT IN ('string', 'number', 'boolean')
          THEN format('headers: the value of %L must be a string, number or boolean', key)
        ELSE format('headers: the value of %L has characters that HTTP does not allow', key)
      END
    INTO problem
    FROM jsonb_each(NEW.headers)
    WHERE key COLLATE "C" !~ '^[!#$%&''*+.^_`|~0-9A-Za-z-]+$'
      OR lower(key) IN ('host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection',
        'proxy-authorization', 'te', 'trailer', 'upgrade', 'expect')
      OR jsonb_typeof(value) NOT IN ('string', 'number', 'boolean')
      OR (value #>> '{}') COLLATE "C" ~ '[^\t\x20-\x7e\u0080-\u00ff]'
    LIMIT 1;
  END IF;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = 'this webhook could never be sent: ' || problem;
  END IF;

  NEW.bucket := CASE WHEN NEW.ordering_key IS NOT NULL
    THEN get_byte(sha256(convert_to(NEW.ordering_key, 'UTF8')), 0) & 63 END;
  NEW.bytes := size;
  NEW.retries := 0;
  NEW.failed_at := NULL;
  NEW.error := NULL;

  -- While every relay sleeps, one of them holds this lock exclusively. So only then a commit costs a notification: with one in
  -- every transaction, commits are several times slower, because PostgreSQL notifies in one transaction at a time.
  IF NOT pg_try_advisory_xact_lock_shared(1853323127, 4) THEN
    PERFORM pg_notify('nats_webhook_worker_outbox', '');
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION rule_nats_outbox_check IS
  'Refuses a row of rule_nats_outbox that could never be sent, fills its defaults, and wakes a relay that sleeps.';
CREATE TRIGGER rule_nats_outbox_check BEFORE INSERT ON rule_nats_outbox
  FOR EACH ROW EXECUTE FUNCTION rule_nats_outbox_check();

CREATE FUNCTION webhook_enqueue(
  name text,
  data jsonb,
  webhook_url text DEFAULT NULL,
  headers jsonb DEFAULT NULL,
  message_id text DEFAULT NULL,
  ordering_key text DEFAULT NULL,
  deliver_at timestamptz DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  new_id bigint;
BEGIN
  INSERT INTO rule_nats_outbox AS waiting (name, data, webhook_url, headers, message_id, ordering_key, deliver_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7)
  RETURNING waiting.id INTO new_id;
  RETURN new_id;
END
$$;
COMMENT ON FUNCTION webhook_enqueue IS
  'Enqueues a webhook in the transaction of the caller: published if that commits, never if it rolls back. Returns the id of the row in rule_nats_outbox. Needs INSERT on rule_nats_outbox, and SELECT on its column id.';

CREATE FUNCTION webhook_outbox_retry(id bigint) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
  UPDATE rule_nats_outbox failed SET failed_at = NULL, error = NULL, retries = failed.retries + 1
  WHERE failed.id = $1 AND failed.failed_at IS NOT NULL;
  IF FOUND THEN
    PERFORM pg_notify('nats_webhook_worker_outbox', '');
  END IF;
  RETURN FOUND;
END
$$;
COMMENT ON FUNCTION webhook_outbox_retry IS
  'Lets the relay publish a row with failed_at again, with the same webhook-id. Returns whether there was one of that id. Webhooks of its ordering key that came later were published meanwhile.';

CREATE FUNCTION webhook_enqueue_lock(key text) RETURNS void
LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(1853323128, hashtext(key))
$$;
COMMENT ON FUNCTION webhook_enqueue_lock IS
  'Waits until no other transaction holds this lock for the key, and holds it until the end of the transaction. Where writers of one ordering key share no other lock, call this before webhook_enqueue: the ids of the key then follow the commits. Two transactions that lock several keys must lock them in the same order.';

-- The index for the history of the relay: rows of the outbox, and calls of the extension's queue. Where another role owns the table, its owner is asked for.
DO $$
BEGIN
  IF to_regclass('nats_publish_history_outbox') IS NULL THEN
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = to_regclass('rule_nats_publish_history')), 'USAGE') THEN
      RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = format(
          'the role %I needs, on tables that another role owns: rule_nats_publish_history (index nats_publish_history_outbox)',
          current_user),
        HINT = E'CREATE INDEX IF NOT EXISTS nats_publish_history_outbox ON rule_nats_publish_history (published_at DESC) WHERE triggered_by IN (''outbox'', ''queue'');\n';
    END IF;
    CREATE INDEX nats_publish_history_outbox ON rule_nats_publish_history (published_at DESC)
      WHERE triggered_by IN ('outbox', 'queue');
  END IF;
END
$$;

-- Each part is sorted by itself, so that a LIMIT reads the first rows of each, by their index.
CREATE VIEW nats_outbox_events AS
(SELECT id, name, CASE WHEN failed_at IS NULL THEN 'waiting' ELSE 'failed' END AS status,
  coalesce(failed_at, created_at) AS happened_at, created_at AS enqueued_at, message_id, ordering_key, deliver_at,
  NULL::text AS subject, NULL::bigint AS sequence, error, retries
FROM rule_nats_outbox
ORDER BY happened_at DESC)
UNION ALL
(SELECT (payload ->> 'outbox_id')::bigint, payload ->> 'name', 'published', published_at,
  (payload ->> 'enqueued_at')::timestamptz, message_id, payload ->> 'ordering_key', (payload ->> 'deliver_at')::timestamptz,
  subject, sequence_number, NULL, (payload ->> 'retries')::integer
FROM rule_nats_publish_history
WHERE triggered_by = 'outbox' AND success
ORDER BY published_at DESC)
ORDER BY happened_at DESC;
COMMENT ON VIEW nats_outbox_events IS
  'The webhooks of the outbox, newest first: those that wait, those that NATS refuses (until webhook_outbox_retry), and those that were published (7 days, with OUTBOX_HISTORY=all).';
COMMENT ON COLUMN nats_outbox_events.status IS 'waiting, published, or failed. published: NATS has stored the message; nats_deliveries says what became of it.';
COMMENT ON COLUMN nats_outbox_events.message_id IS 'The delivery_id in nats_deliveries.';
COMMENT ON COLUMN nats_outbox_events.sequence IS 'Of the message in its stream.';
