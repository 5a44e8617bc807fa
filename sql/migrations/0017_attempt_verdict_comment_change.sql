-- The values of this column follow the words of the code: rows of before keep theirs until their partition is dropped.
SET LOCAL lock_timeout = '5s';

COMMENT ON COLUMN rule_nats_delivery_attempts.verdict IS
  'What was done with the message: ack, retry, deadLetter, park, deferred (the worker holds it), requeued (NATS delivers it again). Up to version 0.1.0, deferred was setAside and requeued was handBack.';
COMMENT ON VIEW nats_deliveries IS
  'One row per webhook and endpoint that was tried or given up. WHERE delivery_id = ... uses the index. Reaches back as far as ATTEMPT_RETENTION_DAYS (dead letters: 7 days).';
