-- A message that no row of rule_webhooks accepts is acked, and has a row, too: it can be found by its id.
SET LOCAL lock_timeout = '5s';

-- There was no request.
ALTER TABLE rule_nats_delivery_attempts ALTER COLUMN url DROP NOT NULL, ALTER COLUMN method DROP NOT NULL;

COMMENT ON TABLE rule_nats_delivery_attempts IS
  'One row per attempt that may have reached its endpoint, as ATTEMPT_LOG allows; and one row per discarded message (verdict discard), unless ATTEMPT_LOG=off. A delivery that was blocked or could not be sent has no row, only its dead letter. Written by workers in batches; partitioned by day (UTC); maintenance drops partitions older than ATTEMPT_RETENTION_DAYS.';
COMMENT ON COLUMN rule_nats_delivery_attempts.attempt_number IS 'From 1, over all workers. 0 for a discarded message.';
COMMENT ON COLUMN rule_nats_delivery_attempts.endpoint_key IS
  'Of a discarded message: the first of the endpoints that match its subject.';
COMMENT ON COLUMN rule_nats_delivery_attempts.url IS
  'Without its query, which often holds a token. Null for a discarded message.';
COMMENT ON COLUMN rule_nats_delivery_attempts.method IS 'Null for a discarded message.';
COMMENT ON COLUMN rule_nats_delivery_attempts.outcome IS
  'What happened: responded, timedOut, unreachable, aborted; filtered for a discarded message.';
COMMENT ON COLUMN rule_nats_delivery_attempts.verdict IS
  'What was done with the message: ack, retry, deadLetter, park, deferred (the worker holds it), requeued (NATS delivers it again), discard (acked, because no row accepts its event type). Up to version 0.1.0, deferred was setAside and requeued was handBack.';

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
  CASE WHEN verdict IN ('ack', 'deadLetter', 'discard') THEN ended_at END AS completed_at
FROM (
  SELECT *,
    row_number() OVER newest_first AS age,
    max(url) OVER whole AS known_url,
    coalesce(greatest(
      count(*) FILTER (WHERE was_attempted) OVER whole,
      max(attempt_number) FILTER (WHERE was_attempted OR outcome IS NULL) OVER whole
    ), 0)::integer AS attempts,
    first_value(error) OVER (PARTITION BY delivery_id, endpoint_id ORDER BY error IS NULL, happened_at DESC, attempt_number DESC)
      AS last_error,
    min(happened_at) FILTER (WHERE was_attempted) OVER whole AS first_attempt_at
  FROM (
    -- The digits at the end of a key stay when its row is renamed.
    SELECT *, right(endpoint, 8) AS endpoint_id
    FROM (
      -- An event that does not name its endpoint belongs to the endpoint that other events name.
      SELECT *, coalesce(endpoint_key, max(endpoint_key) OVER (PARTITION BY delivery_id)) AS endpoint
      FROM nats_delivery_events
    ) named
  ) events
  WINDOW whole AS (PARTITION BY delivery_id, endpoint_id),
    newest_first AS (PARTITION BY delivery_id, endpoint_id ORDER BY happened_at DESC, attempt_number DESC)
) events
WHERE age = 1;
COMMENT ON VIEW nats_deliveries IS
  'One row per webhook and endpoint that was tried, given up or discarded. WHERE delivery_id = ... uses the index. Reaches back as far as ATTEMPT_RETENTION_DAYS (dead letters: 7 days).';
COMMENT ON COLUMN nats_deliveries.status IS
  'delivered, retrying, dead-lettered, or discarded: rows match the subject, and none accepts the event type.';

-- A discarded message is no error.
CREATE OR REPLACE VIEW nats_error_patterns AS
SELECT pattern, outcome, dead_letter_reason, count(*) AS occurrences, count(DISTINCT delivery_id) AS deliveries,
  count(DISTINCT endpoint_key) AS endpoints, min(happened_at) AS first_seen_at, max(happened_at) AS last_seen_at
FROM (
  SELECT *,
    -- Ids first, then numbers; an HTTP status stays, because it tells the patterns apart.
    regexp_replace(
      regexp_replace(coalesce(error, outcome),
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\m(?=[0-9a-f]*\d)[0-9a-f]{12,}\M', '<id>', 'gi'),
      '(?<!HTTP )(?<![[:alnum:]])\d+(\.\d+)*', '<n>', 'g') AS pattern
  FROM nats_delivery_events
  WHERE verdict NOT IN ('ack', 'discard') AND happened_at >= now() - interval '24 hours'
) failures
GROUP BY pattern, outcome, dead_letter_reason
ORDER BY occurrences DESC;
