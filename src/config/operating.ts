import { str } from 'envalid';
import { wholeNumber } from './validators.ts';

/** Statistics, stopping, logs, health. */
export const operating = {
  /**
   * How often statistics are written to PostgreSQL, in milliseconds.
   * Too high: the tables lag, and a kill -9 forgets more. @default 5_000. Range 100 to 600_000. Env STATS_INTERVAL_MS.
   */
  STATS_INTERVAL_MS: wholeNumber(
    100,
    600_000,
  )({ default: 5000, desc: 'how often statistics are written (ms)' }),

  /** Which attempts become rows of `rule_nats_delivery_attempts`. @default all. Env ATTEMPT_LOG. */
  ATTEMPT_LOG: str({
    choices: ['all', 'failures', 'off'] as const,
    default: 'all',
    desc: 'attempts that become rows: `all`, `failures`, `off`',
  }),

  /**
   * Attempt and dead-letter rows kept in memory while PostgreSQL is away. Beyond it they are counted as dropped
   * (`rows_dropped`); deliveries and counters go on. About 1 KB each, see ATTEMPT_BUFFER_BYTES.
   * @default 50_000. Range 1_000 to 1_000_000. Env ATTEMPT_BUFFER_ROWS.
   */
  ATTEMPT_BUFFER_ROWS: wholeNumber(
    1000,
    1_000_000,
  )({ default: 50_000, desc: 'rows kept in memory while PostgreSQL is away' }),

  /**
   * What those rows take in memory at most, in bytes: rows with responses, long URLs, and above all with bodies (STORE_PAYLOADS)
   * may take far more than 1 KB each. Beyond it they are dropped, and counted, too.
   * @default 67_108_864. Range 1_048_576 to 4_294_967_296. Env ATTEMPT_BUFFER_BYTES.
   */
  ATTEMPT_BUFFER_BYTES: wholeNumber(
    1_048_576,
    4_294_967_296,
  )({ default: 67_108_864, desc: 'memory that those rows take at most (bytes)' }),

  /**
   * Whether the body of a dead letter is stored in PostgreSQL, in `payload` of `nats_recent_failures`: `failures`, or `none`.
   * Headers never are. The dead letter in NATS holds the whole message either way, else it could not be replayed.
   * @default none. Env STORE_PAYLOADS.
   */
  STORE_PAYLOADS: str({
    choices: ['none', 'failures'] as const,
    default: 'none',
    desc: 'bodies stored in PostgreSQL: `none`, or `failures` (dead letters)',
  }),

  /** How much of a body is stored, in bytes. @default 16_384. Range 1 to 1_048_576. Env STORE_PAYLOAD_BYTES. */
  STORE_PAYLOAD_BYTES: wholeNumber(
    1,
    1_048_576,
  )({ default: 16_384, desc: 'how much of a body is stored (bytes)' }),

  /** Days that attempt rows are kept; a day's partition is dropped whole. @default 7. Range 1 to 3_650. Env ATTEMPT_RETENTION_DAYS. */
  ATTEMPT_RETENTION_DAYS: wholeNumber(1, 3650)({ default: 7, desc: 'days that attempt rows are kept' }),

  /**
   * How long attempts under way may go on after SIGTERM or SIGINT, in milliseconds; the rest are aborted and handed
   * back. The container's grace period must be 7 s longer. @default 15_000. Range 0 to 600_000. Env SHUTDOWN_DRAIN_MS.
   */
  SHUTDOWN_DRAIN_MS: wholeNumber(
    0,
    600_000,
  )({ default: 15_000, desc: 'how long attempts may finish at a stop (ms)' }),

  /** The least level that is logged. `info` says failures, not deliveries: `debug` logs every attempt. @default info. Env LOG_LEVEL. */
  LOG_LEVEL: str({
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const,
    default: 'info',
    desc: '`debug` logs every attempt',
  }),

  /** How a line of the log is written. @default pretty on a terminal, else json. Env LOG_FORMAT. */
  LOG_FORMAT: str({
    choices: ['json', 'logfmt', 'pretty'] as const,
    default: undefined,
    desc: '`json`, `logfmt` or `pretty`',
  }),

  /** Port of /health (and of the page, with `up`); 0: no port is opened. @default 8_080. Range 0 to 65_535. Env HTTP_PORT. */
  HTTP_PORT: wholeNumber(0, 65_535)({ default: 8080, desc: 'port of `/health`; 0: off' }),

  /** A nats-server to use where `npm start` or `npm test` need one. @default none: found or fetched. Env NATS_SERVER_BIN. */
  NATS_SERVER_BIN: str({
    default: undefined,
    desc: 'nats-server that `npm start` and `npm test` start',
  }),
};
