-- A row of rule_webhooks is identified by its webhook_id. The digits in its key are a hash, and two of 100,000 rows have the same
-- digits more often than not.
SET LOCAL lock_timeout = '5s';

ALTER TABLE rule_nats_delivery_attempts ADD COLUMN webhook_id bigint;

COMMENT ON COLUMN rule_nats_delivery_attempts.webhook_id IS
  'Of the row of rule_webhooks, which may be deleted by now; of a discarded message: the first of the rows that match its subject. Null: the message names its URL, or an older worker wrote this.';
COMMENT ON COLUMN rule_nats_delivery_attempts.endpoint_key IS
  'Of a URL that is split off from its origin: the key of the origin. Of a discarded message: the first of the endpoints that match its subject; none for a delete marker of NATS.';

-- The row of a dead letter names its row of rule_webhooks in the payload: the column webhook_id would refuse a row that is deleted.
CREATE OR REPLACE VIEW nats_delivery_events AS
SELECT delivery_id, started_at AS happened_at,
  started_at + duration_ms::double precision * interval '1 millisecond' AS ended_at,
  subject, endpoint_key, url, attempt_number,
  outcome IN ('responded', 'timedOut', 'unreachable') AS was_attempted,
  outcome, status, error, verdict, dead_letter_reason, next_attempt_at, webhook_id
FROM rule_nats_delivery_attempts
UNION ALL
SELECT h.message_id, h.published_at, h.published_at, h.subject, h.payload ->> 'endpoint_key', h.payload ->> 'url',
  (h.payload ->> 'attempts')::integer, false, NULL, NULL,
  substr(h.error_message, length(h.payload ->> 'reason') + 3), 'deadLetter', h.payload ->> 'reason', NULL,
  (h.payload ->> 'webhook_id')::bigint
FROM rule_nats_publish_history h
WHERE h.triggered_by = 'nats-webhook-worker' AND h.message_id IS NOT NULL AND NOT h.success
  AND NOT EXISTS (
    SELECT FROM rule_nats_delivery_attempts a
    WHERE a.delivery_id = h.message_id AND a.verdict = 'deadLetter'
      AND (h.payload ->> 'endpoint_key' IS NULL OR a.endpoint_key = h.payload ->> 'endpoint_key')
      AND coalesce(a.webhook_id = (h.payload ->> 'webhook_id')::bigint, true)
  );
COMMENT ON COLUMN nats_delivery_events.webhook_id IS
  'Of the row of rule_webhooks. Null: the message names its URL, no row is known, or an older worker wrote this.';

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
  row_id AS webhook_id
FROM (
  SELECT *,
    row_number() OVER newest_first AS age,
    max(url) OVER whole AS known_url,
    coalesce(greatest(
      count(*) FILTER (WHERE was_attempted) OVER whole,
      max(attempt_number) FILTER (WHERE was_attempted OR outcome IS NULL) OVER whole
    ), 0)::integer AS attempts,
    first_value(error) OVER (
      PARTITION BY delivery_id, digits, row_id ORDER BY error IS NULL, happened_at DESC, attempt_number DESC
    ) AS last_error,
    min(happened_at) FILTER (WHERE was_attempted) OVER whole AS first_attempt_at
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
  WINDOW whole AS (PARTITION BY delivery_id, digits, row_id),
    newest_first AS (PARTITION BY delivery_id, digits, row_id ORDER BY happened_at DESC, attempt_number DESC)
) events
WHERE age = 1;
COMMENT ON COLUMN nats_deliveries.webhook_id IS
  'Of the row of rule_webhooks, which may be deleted by now. Null: the message names its URL, no row is known, or only older workers wrote of the delivery.';
