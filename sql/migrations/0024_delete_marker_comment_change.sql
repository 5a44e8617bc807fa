-- A delete marker of NATS is acked and discarded, too, and has a row.
SET LOCAL lock_timeout = '5s';

COMMENT ON COLUMN rule_nats_delivery_attempts.endpoint_key IS
  'Of a discarded message: the first of the endpoints that match its subject; none for a delete marker of NATS.';
COMMENT ON COLUMN rule_nats_delivery_attempts.outcome IS
  'What happened: responded, timedOut, unreachable, aborted; of a discarded message: filtered, deleteMarker (not a webhook: NATS removed the last message of the subject).';
COMMENT ON COLUMN rule_nats_delivery_attempts.verdict IS
  'What was done with the message: ack, retry, deadLetter, park, deferred (the worker holds it), requeued (NATS delivers it again), discard (acked, because no row accepts its event type, or because it is a delete marker of NATS). Up to version 0.1.0, deferred was setAside and requeued was handBack.';
COMMENT ON COLUMN nats_deliveries.status IS
  'delivered, retrying, dead-lettered, or discarded: rows match the subject, and none accepts the event type; or the message is a delete marker of NATS.';
