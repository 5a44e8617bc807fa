-- The webhooks that the HTTP API took in, one row per webhook, with INGEST_LOG=on.
SET LOCAL lock_timeout = '5s';

CREATE TABLE rule_nats_webhooks (
  delivery_id text PRIMARY KEY,
  webhook_name text NOT NULL,
  event_type text,
  event_id text,
  stream_sequence bigint NOT NULL,
  received_at timestamptz NOT NULL
);

CREATE INDEX rule_nats_webhooks_received_at ON rule_nats_webhooks (received_at);
CREATE INDEX rule_nats_webhooks_event_id ON rule_nats_webhooks (event_id) WHERE event_id IS NOT NULL;

COMMENT ON TABLE rule_nats_webhooks IS
  'The webhooks that the HTTP API answered with 202, one row per webhook. Written by the commands api and all, with INGEST_LOG=on; deleted by workers after ATTEMPT_RETENTION_DAYS.';
COMMENT ON COLUMN rule_nats_webhooks.delivery_id IS 'The id in the answer. Receivers get it as webhook-id.';
COMMENT ON COLUMN rule_nats_webhooks.webhook_name IS 'The name that the webhook was published under: orders for POST /webhooks/orders.';
COMMENT ON COLUMN rule_nats_webhooks.stream_sequence IS 'The sequence of the message in its stream.';
COMMENT ON COLUMN rule_nats_webhooks.received_at IS 'When the API had the confirmation of NATS.';

-- GET /webhooks/stats answers from it.
CREATE VIEW nats_webhook_counts AS
SELECT webhook_name, event_type,
  CASE verdict
    WHEN 'ack' THEN 'delivered' WHEN 'deadLetter' THEN 'dead-lettered' WHEN 'discard' THEN 'discarded' ELSE 'retrying'
  END AS status,
  date_trunc('hour', happened_at) AS hour,
  count(*) AS deliveries
FROM (
  SELECT DISTINCT ON (delivery_id, endpoint_key, webhook_id) webhook_name, event_type, verdict, happened_at
  FROM nats_delivery_events
  WHERE happened_at >= date_trunc('hour', now()) - interval '23 hours'
  ORDER BY delivery_id, endpoint_key, webhook_id, happened_at DESC, attempt_number DESC NULLS LAST
) newest
GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW nats_webhook_counts IS
  'Deliveries of the last 24 hours by name, event type, status and the hour of their newest attempt or dead letter. With ATTEMPT_LOG=off or failures it lacks what has no attempt rows.';

-- Who may write the statistics of workers deletes old rows of this table, too.
DO $$
DECLARE
  worker regrole;
BEGIN
  FOR worker IN
    SELECT DISTINCT acl.grantee
    FROM pg_class, aclexplode(relacl) acl
    WHERE pg_class.oid = 'rule_nats_worker_instances'::regclass
      AND acl.privilege_type = 'UPDATE' AND acl.grantee NOT IN (0, relowner)
  LOOP
    EXECUTE format('GRANT SELECT, DELETE ON rule_nats_webhooks TO %s', worker);
  END LOOP;
END
$$;
