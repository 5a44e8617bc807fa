import { str } from 'envalid';
import {
  listOf,
  milliseconds,
  numberBetween,
  oneLine,
  parseAlias,
  publicUrl,
  wholeNumber,
} from './validators.ts';

/** The HTTP API: what the commands `api` and `all` listen on and take. */
export const api = {
  /**
   * Port of the API: `/webhooks`, `/health`, `/docs`. This is the port that the world may reach.
   * @default 8_080. Range 1 to 65_535. Env PORT.
   */
  PORT: wholeNumber(1, 65_535)({ default: 8080, desc: 'port of the API' }),

  /**
   * Port of what only operators may reach: `/health` today. 0: no port is opened.
   * @default 8_081. Range 0 to 65_535. Env ADMIN_PORT.
   */
  ADMIN_PORT: wholeNumber(0, 65_535)({ default: 8081, desc: 'port for operators; 0: off' }),

  /**
   * The address that PORT and ADMIN_PORT are opened on.
   * @default none: all addresses of this machine; with API_AUTH=open only 127.0.0.1. Env API_HOST.
   */
  API_HOST: oneLine({ default: undefined, desc: 'address that the API listens on' }),

  /**
   * The URL by which clients reach the API, such as `https://hooks.example.com`. Its host is one of the hosts that requests may name.
   * @default none. Env PUBLIC_URL.
   */
  PUBLIC_URL: publicUrl({ default: undefined, desc: 'URL by which clients reach the API' }),

  /**
   * Who may use the API. `keys`: who has an API key with the scope for it. `open`: everybody who reaches the port; without API_HOST,
   * only programs of this machine reach it.
   * @default keys. Env API_AUTH.
   */
  API_AUTH: str({
    choices: ['keys', 'open'] as const,
    default: 'keys',
    desc: '`keys`: API keys are needed; `open`: none are',
  }),

  /**
   * Further paths of routes, comma-separated, as `/notifications=/webhooks/notifications`: a POST to the first path is taken as a
   * POST to the second one. For programs whose URL cannot be changed.
   * @default none. Env ROUTE_ALIASES.
   */
  ROUTE_ALIASES: listOf(parseAlias)({
    default: [],
    desc: 'further paths, as `/notifications=/webhooks/notifications`',
  }),

  /**
   * The largest body of one webhook, in bytes. The limits of NATS (`max_payload`) and of the stream (`max_msg_size`) hold as well.
   * Too low: large webhooks are refused with 413.
   * Too high: a few requests use up MAX_IN_FLIGHT_BYTES.
   * @default 1_000_000. Range 1_024 to 67_108_864. Env MAX_BODY_BYTES.
   */
  MAX_BODY_BYTES: wholeNumber(
    1024,
    67_108_864,
  )({ default: 1_000_000, desc: 'largest body of one webhook (bytes)' }),

  /**
   * How long a request waits for the confirmation of NATS, in milliseconds. Then it is answered with 504, and the following requests
   * with 503 until NATS confirms again.
   * Too low: a short delay of NATS gives 504 for webhooks that are stored.
   * Too high: callers give up first, and do not get the id to repeat under.
   * @default 2_000. Range 100 to 60_000. Env CONFIRM_TIMEOUT_MS.
   */
  CONFIRM_TIMEOUT_MS: milliseconds(
    100,
    60_000,
  )({ default: 2000, desc: 'how long a request waits for NATS (ms)' }),

  /**
   * `on`: each webhook that is taken in becomes a row of `rule_nats_webhooks`, in batches. Then `GET /webhooks/{name}/{id}` knows it
   * before its first attempt.
   * @default off. Env INGEST_LOG.
   */
  INGEST_LOG: str({
    choices: ['on', 'off'] as const,
    default: 'off',
    desc: '`on`: a row for each webhook that the API takes in',
  }),

  /**
   * How many webhooks each API key may send per second; without a key, each address. Those of one second may come at once. Further
   * requests get 429. Each process counts for itself, and each webhook of a batch counts.
   * Too low: bursts of well-behaved callers are refused.
   * Too high: one caller can take the capacity of the others.
   * @default none. Range 0.001 to 1_000_000. Env API_RATE_LIMIT.
   */
  API_RATE_LIMIT: numberBetween(
    0.001,
    1_000_000,
  )({ default: undefined, desc: 'most webhooks per second of one API key, or of one address without a key' }),

  /**
   * How many requests may be read, or wait for NATS, at once. Further ones get 503.
   * Too low: bursts are refused.
   * Too high: a NATS that is silent lets many requests wait.
   * @default 10_000. Range 1 to 1_000_000. Env MAX_IN_FLIGHT.
   */
  MAX_IN_FLIGHT: wholeNumber(1, 1_000_000)({ default: 10_000, desc: 'requests in memory at once' }),

  /**
   * How much memory the bodies of these requests may take, in bytes.
   * Too low: bursts of large webhooks are refused.
   * Too high: the process may run out of memory.
   * @default 67_108_864. Range 1_048_576 to 4_294_967_296. Env MAX_IN_FLIGHT_BYTES.
   */
  MAX_IN_FLIGHT_BYTES: wholeNumber(
    1_048_576,
    4_294_967_296,
  )({ default: 67_108_864, desc: 'memory for their bodies (bytes)' }),
};
