-- How much waits in the outbox, for people, `stats`, GET /webhooks/stats and the relay.
SET LOCAL lock_timeout = '5s';

-- Counts at most 100,000: above it, the exact number does not matter, and counting takes long. The oldest row is found by the indexes.
CREATE VIEW nats_outbox_backlog AS
SELECT waiting, failed, oldest_enqueued_at,
  -- greatest alone would make 0 of null.
  CASE WHEN oldest_enqueued_at IS NOT NULL
    THEN greatest(0, round(extract(epoch FROM clock_timestamp() - oldest_enqueued_at) * 1000))::bigint END AS oldest_age_ms
FROM (
  SELECT
    (SELECT count(*) FROM (SELECT FROM rule_nats_outbox WHERE failed_at IS NULL LIMIT 100000) rows)::integer AS waiting,
    (SELECT count(*) FROM (SELECT FROM rule_nats_outbox WHERE failed_at IS NOT NULL LIMIT 100000) rows)::integer AS failed,
    (SELECT min(created_at) FROM (
      (SELECT created_at FROM rule_nats_outbox WHERE failed_at IS NULL AND bucket IS NULL ORDER BY id LIMIT 1)
      UNION ALL
      SELECT first.created_at FROM generate_series(0, 63) AS number, LATERAL (
        SELECT created_at FROM rule_nats_outbox
        WHERE failed_at IS NULL AND bucket = number::smallint ORDER BY id LIMIT 1
      ) first
    ) oldest) AS oldest_enqueued_at
) counted;

COMMENT ON VIEW nats_outbox_backlog IS
  'One row: how many webhooks wait in the outbox, how many NATS refuses, and since when the oldest one waits.';
COMMENT ON COLUMN nats_outbox_backlog.waiting IS 'Rows that a relay will publish. At most 100000.';
COMMENT ON COLUMN nats_outbox_backlog.failed IS 'Rows that NATS refuses, until webhook_outbox_retry. At most 100000.';
COMMENT ON COLUMN nats_outbox_backlog.oldest_enqueued_at IS 'Of the oldest row that waits. Null: none waits.';
COMMENT ON COLUMN nats_outbox_backlog.oldest_age_ms IS 'For how long the oldest row has waited, in milliseconds. Null: none waits.';

-- Who reads the outbox, the counts of webhooks or the statistics of workers reads this, too.
DO $$
DECLARE
  reader regrole;
BEGIN
  FOR reader IN
    SELECT DISTINCT acl.grantee
    FROM pg_class, aclexplode(relacl) acl
    WHERE pg_class.oid IN ('rule_nats_outbox'::regclass, 'nats_webhook_counts'::regclass, 'rule_nats_consumer_stats'::regclass)
      AND acl.privilege_type = 'SELECT' AND acl.grantee NOT IN (0, relowner)
  LOOP
    EXECUTE format('GRANT SELECT ON nats_outbox_backlog TO %s', reader);
  END LOOP;
END
$$;
