-- What the other workers of a group must know of a worker, before it takes its first message.
SET LOCAL lock_timeout = '5s';

ALTER TABLE rule_nats_worker_instances
  ADD COLUMN version text,
  ADD COLUMN features text[],
  ADD COLUMN settings jsonb;

COMMENT ON TABLE rule_nats_worker_instances IS
  'One row per worker process. Written by its first flush, before it takes a message, and by every later flush. Marked inactive by its last flush or by a peer. Deleted by the maintenance of any worker 30 days after it was last active.';
COMMENT ON COLUMN rule_nats_worker_instances.version IS
  'Version of the program. Null: a version that did not write this. Written once, by the first flush.';
COMMENT ON COLUMN rule_nats_worker_instances.features IS
  'What this worker can do that its peers must know, by name. Null: none. Written once, by the first flush.';
COMMENT ON COLUMN rule_nats_worker_instances.settings IS
  'The settings that decide deliveries, by name, so that workers of a group can say where they differ. Holds no secret and no password. Null: not known. Written once, by the first flush.';
