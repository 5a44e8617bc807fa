-- Bound late, and only where the caller may look: the extension's rule_webhooks may come later, or never, and a view
-- that named it would stand in the way of the extension's own changes.
CREATE FUNCTION rule_nats_webhook_name(of_webhook_id integer, of_subject text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
  registered text;
BEGIN
  IF of_webhook_id IS NOT NULL AND has_table_privilege(to_regclass('rule_webhooks'), 'SELECT') THEN
    SELECT webhook_name INTO registered FROM rule_webhooks WHERE webhook_id = of_webhook_id;
  END IF;
  RETURN coalesce(registered, regexp_replace(of_subject, '^.*\.', ''));
END
$$;
COMMENT ON FUNCTION rule_nats_webhook_name IS
  'The name in rule_webhooks, else the last token of the subject: webhooks.<name>.';

CREATE VIEW nats_delivery_failures AS
SELECT publish_id, rule_nats_webhook_name(webhook_id, subject) AS webhook_name, subject, error_message, payload,
  published_at, latency_ms
FROM rule_nats_publish_history
WHERE NOT success AND published_at >= now() - interval '24 hours'
ORDER BY published_at DESC
LIMIT 100;
COMMENT ON VIEW nats_delivery_failures IS
  'The last 100 deliveries given up (and publishes that failed) in 24 hours. error_message: <reason>: <error>.';

CREATE VIEW nats_delivery_performance AS
SELECT rule_nats_webhook_name(NULL, subject) AS webhook_name, subject, count(*) AS message_count,
  round(avg(duration_ms), 2) AS avg_latency_ms,
  min(duration_ms) AS min_latency_ms,
  max(duration_ms) AS max_latency_ms,
  percentile_cont(0.5) WITHIN GROUP (ORDER BY duration_ms) AS p50_latency_ms,
  percentile_cont(0.95) WITHIN GROUP (ORDER BY duration_ms) AS p95_latency_ms,
  percentile_cont(0.99) WITHIN GROUP (ORDER BY duration_ms) AS p99_latency_ms
FROM rule_nats_delivery_attempts
WHERE verdict = 'ack' AND started_at >= now() - interval '24 hours'
GROUP BY subject;
COMMENT ON VIEW nats_delivery_performance IS
  'How long the endpoints of each subject took to accept a webhook, over 24 hours. Empty unless ATTEMPT_LOG=all.';

-- The names that users of the extension know. Where the extension has made them they are left alone; where it makes
-- them later, its CREATE OR REPLACE VIEW finds the columns and types that it expects.
DO $$
BEGIN
  IF to_regclass('nats_recent_failures') IS NULL THEN
    CREATE VIEW nats_recent_failures AS SELECT * FROM nats_delivery_failures;
    COMMENT ON VIEW nats_recent_failures IS 'nats_delivery_failures, until the Rule Engine extension brings its own.';
  END IF;
  IF to_regclass('nats_performance_stats') IS NULL THEN
    CREATE VIEW nats_performance_stats AS SELECT * FROM nats_delivery_performance;
    COMMENT ON VIEW nats_performance_stats IS
      'nats_delivery_performance, until the Rule Engine extension brings its own.';
  END IF;
END
$$;

-- The row of a dead letter in the publish history counts only where no attempt row tells of it: nothing was sent,
-- ATTEMPT_LOG=off, a full buffer, or the retention is over.
CREATE VIEW nats_delivery_events AS
SELECT delivery_id, started_at AS happened_at,
  started_at + duration_ms::double precision * interval '1 millisecond' AS ended_at,
  subject, endpoint_key, url, attempt_number,
  outcome IN ('responded', 'timedOut', 'unreachable') AS was_attempted,
  outcome, status, error, verdict, dead_letter_reason, next_attempt_at
FROM rule_nats_delivery_attempts
UNION ALL
SELECT h.message_id, h.published_at, h.published_at, h.subject, NULL, h.payload ->> 'url',
  (h.payload ->> 'attempts')::integer, false, NULL, NULL,
  substr(h.error_message, length(h.payload ->> 'reason') + 3), 'deadLetter', h.payload ->> 'reason', NULL
FROM rule_nats_publish_history h
WHERE h.triggered_by = 'nats-webhook-worker' AND h.message_id IS NOT NULL AND NOT h.success
  AND NOT EXISTS (
    SELECT FROM rule_nats_delivery_attempts a
    WHERE a.delivery_id = h.message_id AND a.verdict = 'deadLetter'
  );
COMMENT ON VIEW nats_delivery_events IS
  'What happened to deliveries, a row each time: every attempt, and every dead letter that no attempt row tells of (nothing was sent, ATTEMPT_LOG=off, a full buffer, or the retention is over).';

CREATE VIEW nats_deliveries AS
SELECT delivery_id, subject,
  coalesce(endpoint_key, known_endpoint_key) AS endpoint,
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
    max(endpoint_key) OVER whole AS known_endpoint_key,
    max(url) OVER whole AS known_url,
    greatest(
      count(*) FILTER (WHERE was_attempted) OVER whole,
      max(attempt_number) FILTER (WHERE was_attempted OR outcome IS NULL) OVER whole
    )::integer AS attempts,
    first_value(error) OVER (PARTITION BY delivery_id ORDER BY error IS NULL, happened_at DESC, attempt_number DESC)
      AS last_error,
    min(happened_at) FILTER (WHERE was_attempted) OVER whole AS first_attempt_at
  FROM nats_delivery_events
  WINDOW whole AS (PARTITION BY delivery_id),
    newest_first AS (PARTITION BY delivery_id ORDER BY happened_at DESC, attempt_number DESC)
) events
WHERE age = 1;
COMMENT ON VIEW nats_deliveries IS
  'One row a webhook that was tried or given up. WHERE delivery_id = ... uses the index. Reaches back as far as ATTEMPT_RETENTION_DAYS (dead letters: 7 days).';
COMMENT ON COLUMN nats_deliveries.status IS 'delivered, retrying or dead-lettered.';
COMMENT ON COLUMN nats_deliveries.last_status IS 'The HTTP status of the last attempt; null where there was no answer.';
COMMENT ON COLUMN nats_deliveries.last_error IS 'The last thing that went wrong, also when it was delivered after that.';

CREATE VIEW nats_error_patterns AS
SELECT pattern, outcome, dead_letter_reason, count(*) AS occurrences, count(DISTINCT delivery_id) AS deliveries,
  count(DISTINCT endpoint_key) AS endpoints, min(happened_at) AS first_seen_at, max(happened_at) AS last_seen_at
FROM (
  SELECT *,
    -- Ids first, then numbers; an HTTP status stays, since it is what tells the patterns apart.
    regexp_replace(
      regexp_replace(coalesce(error, outcome),
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\m(?=[0-9a-f]*\d)[0-9a-f]{12,}\M', '<id>', 'gi'),
      '(?<!HTTP )(?<![[:alnum:]])\d+(\.\d+)*', '<n>', 'g') AS pattern
  FROM nats_delivery_events
  WHERE verdict <> 'ack' AND happened_at >= now() - interval '24 hours'
) failures
GROUP BY pattern, outcome, dead_letter_reason
ORDER BY occurrences DESC;
COMMENT ON VIEW nats_error_patterns IS
  'What went wrong in the last 24 hours, alike errors together: numbers and ids in their text are replaced.';
