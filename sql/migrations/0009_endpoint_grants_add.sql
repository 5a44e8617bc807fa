-- Who may write the statistics of workers may write the new part of them, too: else an upgrade would stop all of them
-- until somebody reads the list of grants again.
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
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON rule_nats_endpoint_states TO %s', worker);
    EXECUTE format('GRANT SELECT ON rule_nats_endpoints, nats_endpoint_health TO %s', worker);
  END LOOP;
END
$$;
