-- What a webhook is about, and which name it was published under: the subject of an ordered webhook is its ordering key.
SET LOCAL lock_timeout = '5s';

ALTER TABLE rule_nats_delivery_attempts
  ADD COLUMN event_type text,
  ADD COLUMN event_id text,
  ADD COLUMN webhook_name text;

COMMENT ON COLUMN rule_nats_delivery_attempts.event_type IS
  'The NATS header X-Event-Type, else this header of the request, else event, event_type or type of a bare payload; at most 255 characters. Null: none of them, or an older worker wrote this.';
COMMENT ON COLUMN rule_nats_delivery_attempts.event_id IS
  'The NATS header Webhook-Event-Id, at most 255 characters. Null: none, or an older worker wrote this.';
COMMENT ON COLUMN rule_nats_delivery_attempts.webhook_name IS
  'The NATS header Webhook-Name of an ordered webhook, at most 255 characters. Null: the last token of the subject is the name.';

CREATE OR REPLACE VIEW nats_delivery_events AS
SELECT delivery_id, started_at AS happened_at,
  started_at + duration_ms::double precision * interval '1 millisecond' AS ended_at,
  subject, endpoint_key, url, attempt_number,
  outcome IN ('responded', 'timedOut', 'unreachable') AS was_attempted,
  outcome, status, error, verdict, dead_letter_reason, next_attempt_at, webhook_id, event_type, event_id,
  coalesce(webhook_name, substring(subject from '[^.]+$')) AS webhook_name
FROM rule_nats_delivery_attempts
UNION ALL
SELECT h.message_id, h.published_at, h.published_at, h.subject, h.payload ->> 'endpoint_key', h.payload ->> 'url',
  (h.payload ->> 'attempts')::integer, false, NULL, NULL,
  substr(h.error_message, length(h.payload ->> 'reason') + 3), 'deadLetter', h.payload ->> 'reason', NULL,
  (h.payload ->> 'webhook_id')::bigint, h.payload ->> 'event_type', h.payload ->> 'event_id',
  coalesce(h.payload ->> 'webhook_name', substring(h.subject from '[^.]+$'))
FROM rule_nats_publish_history h
WHERE h.triggered_by = 'nats-webhook-worker' AND h.message_id IS NOT NULL AND NOT h.success
  AND NOT EXISTS (
    SELECT FROM rule_nats_delivery_attempts a
    WHERE a.delivery_id = h.message_id AND a.verdict = 'deadLetter'
      AND (h.payload ->> 'endpoint_key' IS NULL OR a.endpoint_key = h.payload ->> 'endpoint_key')
      AND coalesce(a.webhook_id = (h.payload ->> 'webhook_id')::bigint, true)
  );
COMMENT ON COLUMN nats_delivery_events.webhook_name IS
  'The name that the webhook was published under: orders for webhooks.orders.';

CREATE OR REPLACE VIEW nats_deliveries AS
SELECT delivery_id, subject,
  endpoint,
  coalesce(url, known_url) AS url,
  CASE verdict
    WHEN 'ack' THEN 'delivered' WHEN 'deadLetter' THEN 'dead-lettered' WHEN 'discard' THEN 'discarded' ELSE 'retrying'
  END AS status,
  attempts,
  status AS last_status,
  last_error,
  dead_letter_reason,
  next_attempt_at AS next_retry_at,
  first_attempt_at,
  CASE WHEN verdict IN ('ack', 'deadLetter', 'discard') THEN ended_at END AS completed_at,
  row_id AS webhook_id,
  known_type AS event_type,
  known_event_id AS event_id,
  webhook_name
FROM (
  SELECT *,
    row_number() OVER newest_first AS age,
    max(url) OVER newest_first AS known_url,
    max(event_type) OVER newest_first AS known_type,
    max(event_id) OVER newest_first AS known_event_id,
    coalesce(greatest(
      count(*) FILTER (WHERE was_attempted) OVER newest_first,
      max(attempt_number) FILTER (WHERE was_attempted OR outcome IS NULL) OVER newest_first
    ), 0)::integer AS attempts,
    (array_agg(error) FILTER (WHERE error IS NOT NULL) OVER newest_first)[1] AS last_error,
    min(happened_at) FILTER (WHERE was_attempted) OVER newest_first AS first_attempt_at
  FROM (
    -- An event that does not name its row belongs to the only row that other events name for the same key, else for the same
    -- digits: a key changes when its row is renamed, and its digits stay.
    SELECT *,
      coalesce(
        webhook_id,
        CASE WHEN min(webhook_id) OVER same_key = max(webhook_id) OVER same_key THEN min(webhook_id) OVER same_key END,
        CASE WHEN min(webhook_id) OVER same_digits = max(webhook_id) OVER same_digits THEN min(webhook_id) OVER same_digits END
      ) AS row_id
    FROM (
      -- A key ends with -id<webhook_id> if another row has the same one.
      SELECT *, right(CASE WHEN endpoint LIKE '%-id%' THEN regexp_replace(endpoint, '-id\d+$', '') ELSE endpoint END, 8) AS digits
      FROM (
        -- An event that does not name its endpoint belongs to the endpoint that other events name.
        SELECT *, coalesce(endpoint_key, max(endpoint_key) OVER (PARTITION BY delivery_id)) AS endpoint
        FROM nats_delivery_events
      ) named
    ) keyed
    WINDOW same_key AS (PARTITION BY delivery_id, digits, endpoint), same_digits AS (PARTITION BY delivery_id, digits)
  ) events
  WINDOW newest_first AS (PARTITION BY delivery_id, digits, row_id ORDER BY happened_at DESC, attempt_number DESC
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
) events
WHERE age = 1;
COMMENT ON COLUMN nats_deliveries.webhook_name IS
  'The name that the webhook was published under: orders for webhooks.orders.';
COMMENT ON COLUMN nats_deliveries.event_type IS
  'Of the webhook. Null: it names no type, or only older workers wrote of the delivery.';
COMMENT ON COLUMN nats_deliveries.event_id IS
  'The NATS header Webhook-Event-Id. Null: it has none, or only older workers wrote of the delivery.';
