-- Columns and rights on the registry, which the Rule Engine extension may own: what we own we cure; what is another
-- role's, its owner is asked for, all of it in one error (see 0001). Its own columns of NATS are among them, where only
-- its 005 was applied.
DO $$
DECLARE
  needed record;
  places text := '';
  cures text := '';
BEGIN
  FOR needed IN
    WITH tables AS (
      SELECT relname::text AS table_name, oid, relowner, pg_has_role(relowner, 'USAGE') AS owned
      FROM pg_class WHERE oid IN (to_regclass('rule_webhooks'), to_regclass('rule_webhook_secrets'))
    ),
    columns_of_ours (rank, column_name, definition) AS (
      VALUES
        (1, 'nats_enabled', 'boolean DEFAULT false'),
        (2, 'nats_subject', 'text'),
        (3, 'nats_config_id', 'integer REFERENCES rule_nats_config (config_id)'),
        (4, 'publish_mode',
         'text DEFAULT ''queue'' CONSTRAINT valid_publish_mode CHECK (publish_mode IN (''queue'', ''nats'', ''both''))'),
        (5, 'paused', 'boolean NOT NULL DEFAULT false'),
        (6, 'paused_reason', 'text'),
        (7, 'max_concurrency', 'integer CONSTRAINT max_concurrency_is_positive CHECK (max_concurrency > 0)'),
        -- As in rule_nats_endpoints.
        (8, 'rate_limit', 'numeric CONSTRAINT rate_limit_is_positive CHECK (rate_limit BETWEEN 0.00001 AND 1000000)'),
        (9, 'event_types', 'text[]'),
        (10, 'success_statuses',
         'integer[] CONSTRAINT success_statuses_are_statuses CHECK (100 <= ALL (success_statuses) AND 599 >= ALL (success_statuses))'),
        (11, 'body_template', 'text'),
        (12, 'params', 'jsonb CONSTRAINT params_is_an_object CHECK (jsonb_typeof(params) = ''object'')'),
        (13, 'hub_signature', 'boolean NOT NULL DEFAULT false'),
        (14, 'disabled_at', 'timestamptz'),
        (15, 'disabled_reason', 'text'),
        (16, 'failing_since', 'timestamptz')
    ),
    -- Who migrates, and who may write the statistics of workers, as in 0009.
    workers (role) AS (
      SELECT quote_ident(current_user)::regrole::oid
      UNION
      SELECT acl.grantee
      FROM pg_class, aclexplode(relacl) acl
      WHERE pg_class.oid = 'rule_nats_worker_instances'::regclass
        AND acl.privilege_type = 'UPDATE' AND acl.grantee <> 0
    ),
    written (column_name) AS (
      VALUES ('enabled'), ('updated_at'), ('disabled_at'), ('disabled_reason'), ('failing_since')
    ),
    wanted (rank, table_name, place, cure) AS (
      SELECT rank, 'rule_webhooks', 'column ' || column_name,
        format('ALTER TABLE rule_webhooks ADD COLUMN IF NOT EXISTS %I %s', column_name,
          CASE WHEN has_table_privilege(
              CASE WHEN owned THEN quote_ident(current_user)::regrole::oid ELSE relowner END, 'rule_nats_config', 'REFERENCES')
            THEN definition
            ELSE regexp_replace(definition, ' REFERENCES .*', '') END)
      FROM columns_of_ours, tables
      WHERE tables.table_name = 'rule_webhooks' AND NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = tables.oid AND attname = column_name AND NOT attisdropped
      )
      UNION ALL
      SELECT 100, table_name, 'TRIGGER', format('GRANT TRIGGER ON %I TO %I', table_name, current_user)
      FROM tables
      WHERE NOT has_table_privilege(tables.oid, 'TRIGGER')
      UNION ALL
      SELECT 100, table_name, 'SELECT for ' || role::regrole, format('GRANT SELECT ON %I TO %s', table_name, role::regrole)
      FROM tables, workers
      WHERE NOT has_table_privilege(role, tables.oid, 'SELECT')
      UNION ALL
      SELECT 101, table_name, 'UPDATE for ' || role::regrole,
        format('GRANT UPDATE (%s) ON rule_webhooks TO %s',
          (SELECT string_agg(column_name, ', ') FROM written), role::regrole)
      FROM tables, workers
      WHERE table_name = 'rule_webhooks' AND NOT has_table_privilege(role, tables.oid, 'UPDATE')
        -- A column that is still to be added nobody may write yet.
        AND NOT coalesce((
          SELECT bool_and(has_column_privilege(role, tables.oid, attnum, 'UPDATE')) AND count(*) = 5
          FROM pg_attribute JOIN written ON attname = column_name
          WHERE attrelid = tables.oid AND NOT attisdropped
        ), false)
    )
    SELECT wanted.*, owned
    FROM wanted JOIN tables USING (table_name)
    ORDER BY rank, table_name, place
  LOOP
    IF needed.owned THEN
      EXECUTE needed.cure;
    ELSE
      places := places || format(', %s (%s)', needed.table_name, needed.place);
      cures := cures || needed.cure || E';\n';
    END IF;
  END LOOP;
  IF cures <> '' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'insufficient_privilege',
      MESSAGE = format('the role %I needs, on tables that another role owns: %s', current_user, substr(places, 3)),
      HINT = cures;
  END IF;
END
$$;

-- Only the owner of a table may comment on it.
DO $$
DECLARE
  column_name text;
  text_of_it text;
BEGIN
  IF NOT (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('rule_webhooks')) THEN
    RETURN;
  END IF;
  FOR column_name, text_of_it IN
    VALUES
      ('paused', 'Nothing is sent to it: its messages are parked until it is false again. Written by operators.'),
      ('paused_reason', 'Shown in nats_endpoint_health.why. Written by operators.'),
      ('max_concurrency',
       'Attempts under way at once, over all workers of a group. Null: ENDPOINT_CONCURRENCY. Written by operators.'),
      ('rate_limit',
       'Requests a second, over all workers of a group. Null: ENDPOINT_RATE_LIMIT. Written by operators.'),
      ('event_types', 'Only these events are sent to it, with * as a wildcard. Null or empty: all. Written by operators.'),
      ('success_statuses',
       'Statuses that count as delivered beside 2xx, such as 409 of a receiver that knows the event. Written by operators.'),
      ('body_template', 'The body, with {{data}} and {{data.path}} filled from the payload. Null: the payload itself. Written by operators.'),
      ('params', 'Appended to the query of the URL: an object. Written by operators.'),
      ('hub_signature', 'Whether X-Hub-Signature-256 is sent, too. Written by operators.'),
      ('disabled_at',
       'When a worker set enabled to false. Written by workers; emptied by a trigger when it is enabled again.'),
      ('disabled_reason',
       'Why a worker set enabled to false. Written by workers; emptied by a trigger when it is enabled again.'),
      ('failing_since',
       'Since when nothing was delivered to it. Written by workers, also back to null; emptied by a trigger when it is enabled again or has another URL.')
  LOOP
    EXECUTE format('COMMENT ON COLUMN rule_webhooks.%I IS %L', column_name, text_of_it);
  END LOOP;
END
$$;
