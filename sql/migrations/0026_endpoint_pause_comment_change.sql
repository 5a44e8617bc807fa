-- A pause of an origin holds every endpoint there.
SET LOCAL lock_timeout = '5s';

COMMENT ON COLUMN rule_nats_endpoints.endpoint_key IS
  'nats_endpoint_key(url) names the scheme, host and port of a URL; nats_endpoint_health shows the keys of rows and single URLs.';
COMMENT ON COLUMN rule_nats_endpoints.paused IS
  'Nothing is sent to the endpoint: its messages are parked until it is false again. A pause of a scheme, host and port also holds the rows of rule_webhooks and the single URLs there.';
