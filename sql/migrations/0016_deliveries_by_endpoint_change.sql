-- A message for several endpoints is several deliveries with one id: one row each.

-- A column of ours on a table that the Rule Engine extension may own: see 0001.
DO $$
DECLARE
  cure CONSTANT text :=
    'ALTER TABLE rule_nats_consumer_stats ADD COLUMN IF NOT EXISTS messages_dropped bigint NOT NULL DEFAULT 0';
BEGIN
  IF EXISTS (
    SELECT FROM pg_attribute
    WHERE attrelid = to_regclass('rule_nats_consumer_stats') AND attname = 'messages_dropped' AND NOT attisdropped
  ) THEN
    RETURN;
  END IF;
  IF NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('rule_nats_consumer_stats')) THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format(
        'the role %I needs, on tables that another role owns: rule_nats_consumer_stats (column messages_dropped)',
        current_user),
      HINT = cure || E';\n';
  END IF;
  EXECUTE cure;
  COMMENT ON COLUMN rule_nats_consumer_stats.messages_dropped IS
    'Messages that no endpoint of their subject wanted (event_types): acked, and sent to nobody. Not in messages_delivered.';
  COMMENT ON COLUMN rule_nats_consumer_stats.messages_parked IS
    'Hand-outs moved to their endpoint''s own queue, since it had no room, the worker stopped, or several endpoints each get a copy. Not in messages_delivered: they are handed out again.';
END
$$;

-- The row of a dead letter says whose it was; those of workers before do not.
CREATE OR REPLACE VIEW nats_delivery_events AS
SELECT delivery_id, started_at AS happened_at,
  started_at + duration_ms::double precision * interval '1 millisecond' AS ended_at,
  subject, endpoint_key, url, attempt_number,
  outcome IN ('responded', 'timedOut', 'unreachable') AS was_attempted,
  outcome, status, error, verdict, dead_letter_reason, next_attempt_at
FROM rule_nats_delivery_attempts
UNION ALL
SELECT h.message_id, h.published_at, h.published_at, h.subject, h.payload ->> 'endpoint_key', h.payload ->> 'url',
  (h.payload ->> 'attempts')::integer, false, NULL, NULL,
  substr(h.error_message, length(h.payload ->> 'reason') + 3), 'deadLetter', h.payload ->> 'reason', NULL
FROM rule_nats_publish_history h
WHERE h.triggered_by = 'nats-webhook-worker' AND h.message_id IS NOT NULL AND NOT h.success
  AND NOT EXISTS (
    SELECT FROM rule_nats_delivery_attempts a
    WHERE a.delivery_id = h.message_id AND a.verdict = 'deadLetter'
      AND (h.payload ->> 'endpoint_key' IS NULL OR a.endpoint_key = h.payload ->> 'endpoint_key')
  );

CREATE OR REPLACE VIEW nats_deliveries AS
SELECT delivery_id, subject,
  endpoint,
  coalesce(url, known_url) AS url,
  CASE verdict WHEN 'ack' THEN 'delivered' WHEN 'deadLetter' THEN 'dead-lettered' ELSE 'retrying' END AS status,
  attempts,
  status AS last_status,
  last_error,
  dead_letter_reason,
  next_attempt_at AS next_retry_at,
  first_attempt_at,
  CASE WHEN verdict IN ('ack', 'deadLetter') THEN ended_at END AS completed_at
FROM (
  SELECT *,
    row_number() OVER newest_first AS age,
    max(url) OVER whole AS known_url,
    greatest(
      count(*) FILTER (WHERE was_attempted) OVER whole,
      max(attempt_number) FILTER (WHERE was_attempted OR outcome IS NULL) OVER whole
    )::integer AS attempts,
    first_value(error) OVER (PARTITION BY delivery_id, endpoint_id ORDER BY error IS NULL, happened_at DESC, attempt_number DESC)
      AS last_error,
    min(happened_at) FILTER (WHERE was_attempted) OVER whole AS first_attempt_at
  FROM (
    -- The digits at the end of a key stay when its row is renamed.
    SELECT *, right(endpoint, 8) AS endpoint_id
    FROM (
      -- An event that does not say its endpoint is of the one that others name.
      SELECT *, coalesce(endpoint_key, max(endpoint_key) OVER (PARTITION BY delivery_id)) AS endpoint
      FROM nats_delivery_events
    ) named
  ) events
  WINDOW whole AS (PARTITION BY delivery_id, endpoint_id),
    newest_first AS (PARTITION BY delivery_id, endpoint_id ORDER BY happened_at DESC, attempt_number DESC)
) events
WHERE age = 1;
COMMENT ON VIEW nats_deliveries IS
  'One row a webhook and endpoint that was tried or given up. WHERE delivery_id = ... uses the index. Reaches back as far as ATTEMPT_RETENTION_DAYS (dead letters: 7 days).';
