-- What an operator says about endpoints.
CREATE TABLE rule_nats_endpoints (
  endpoint_key text PRIMARY KEY,
  paused boolean NOT NULL DEFAULT false,
  paused_reason text,
  max_concurrency integer,
  rate_limit numeric,
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT endpoint_key_is_one_token CHECK (endpoint_key ~ '^[A-Za-z0-9_-]+$'),
  CONSTRAINT max_concurrency_is_positive CHECK (max_concurrency > 0),
  -- Up to a million, and down to about one a day: what a worker can count with.
  CONSTRAINT rate_limit_is_positive CHECK (rate_limit > 0 AND rate_limit BETWEEN 0.00001 AND 1000000)
);

COMMENT ON TABLE rule_nats_endpoints IS
  'What an operator says about endpoints. Written and deleted by operators, never by workers, which follow it within seconds.';
COMMENT ON COLUMN rule_nats_endpoints.endpoint_key IS 'nats_endpoint_key(url); nats_endpoint_health shows it, too.';
COMMENT ON COLUMN rule_nats_endpoints.paused IS 'Nothing is sent to it: its messages are parked until it is false again.';
COMMENT ON COLUMN rule_nats_endpoints.paused_reason IS 'Shown in nats_endpoint_health.why.';
COMMENT ON COLUMN rule_nats_endpoints.max_concurrency IS
  'Attempts under way at once, over all workers of a group: each uses its share, at least 1. Null: ENDPOINT_CONCURRENCY.';
COMMENT ON COLUMN rule_nats_endpoints.rate_limit IS
  'Requests a second, over all workers of a group: each uses its share. Null: ENDPOINT_RATE_LIMIT.';
COMMENT ON COLUMN rule_nats_endpoints.updated_at IS 'Set by a trigger.';

CREATE FUNCTION rule_nats_endpoints_touch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION rule_nats_endpoints_touch IS 'Keeps updated_at of rule_nats_endpoints true.';

CREATE TRIGGER rule_nats_endpoints_touch BEFORE UPDATE ON rule_nats_endpoints
  FOR EACH ROW EXECUTE FUNCTION rule_nats_endpoints_touch();

-- As src/core/endpoint.ts makes it; a test compares the two. What it would have to guess at is an error: a key that is
-- nobody's would be a pause that does nothing.
CREATE FUNCTION nats_endpoint_key(url text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  -- Scheme, host, port. "C", since a Turkish database has another lower case of I.
  parts text[] := regexp_match(lower(btrim(url, E' \t\r\n') COLLATE "C"),
    '^(https?)://([^/?#@:\[\\]+|\[[0-9a-f:.]+\])(?::([0-9]*))?(?:[/?#\\]|$)');
  scheme text := parts[1];
  host text := parts[2];
  port text := ltrim(parts[3], '0');
  dotted text[];
BEGIN
  IF parts IS NULL OR (host !~ '^\[' AND host !~ '^[a-z0-9._-]+$') THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = 'no endpoint''s URL: it must begin with http:// or https:// and a host, without user and password',
      HINT = 'A host with other letters than a to z is written as its xn-- form.';
  END IF;
  IF host ~ '^\[' THEN
    host := host(btrim(host, '[]')::inet);
    dotted := regexp_match(host, '^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$');
    IF dotted IS NOT NULL THEN
      host := dotted[1] || to_hex(dotted[2]::integer * 256 + dotted[3]::integer)
        || ':' || to_hex(dotted[4]::integer * 256 + dotted[5]::integer);
    END IF;
    host := '[' || host || ']';
  ELSIF host ~ '(^|\.)(\d+|0x[0-9a-f]*)\.?$'
    AND host !~ '^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.|$)){4}$|\.$' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = 'no endpoint''s URL: its address is not four decimal numbers from 0 to 255';
  END IF;
  RETURN left(regexp_replace(regexp_replace(btrim(host, '[]'), '\.$', ''), '[^a-z0-9-]', '-', 'g'), 70)
    || '-'
    || left(encode(sha256(convert_to(
      scheme || '://' || host
        || CASE WHEN port IS NULL OR port IN ('', CASE scheme WHEN 'http' THEN '80' ELSE '443' END)
          THEN '' ELSE ':' || port END, 'UTF8')), 'hex'), 8);
END
$$;
COMMENT ON FUNCTION nats_endpoint_key IS
  'The endpoint_key of a URL: <host>-<8 hex digits of its origin''s SHA-256>. Path and query do not matter.';
