import { str } from 'envalid';
import { milliseconds, wholeDays, wholeNumber } from './validators.ts';

/** Statistics, log, health and stopping. */
export const operation = {
  /**
   * How often statistics are written to PostgreSQL, in milliseconds.
   * Too low: PostgreSQL has more small transactions.
   * Too high: the tables lag, and a kill -9 loses more statistics.
   * @default 5_000. Range 100 to 600_000. Env STATS_INTERVAL_MS.
   */
  STATS_INTERVAL_MS: milliseconds(
    100,
    600_000,
  )({ default: 5000, desc: 'how often statistics are written (ms)' }),

  /**
   * Which attempts become rows of `rule_nats_delivery_attempts`: `all`, `failures` or `off`. With `all` and `failures`,
   * discarded messages have rows, too.
   * @default all. Env ATTEMPT_LOG.
   */
  ATTEMPT_LOG: str({
    choices: ['all', 'failures', 'off'] as const,
    default: 'all',
    desc: 'attempts that become rows: `all`, `failures`, `off`',
  }),

  /**
   * Rows of attempts and dead letters that are kept in memory while PostgreSQL is away. Further rows are dropped and
   * counted (`rows_dropped`); deliveries and counters go on. About 1 KB per row, see ATTEMPT_BUFFER_BYTES.
   * Too low: rows are dropped in a short absence of PostgreSQL.
   * Too high: a long absence costs much memory.
   * @default 50_000. Range 1_000 to 1_000_000. Env ATTEMPT_BUFFER_ROWS.
   */
  ATTEMPT_BUFFER_ROWS: wholeNumber(
    1000,
    1_000_000,
  )({ default: 50_000, desc: 'rows kept in memory while PostgreSQL is away' }),

  /**
   * How much memory the rows of ATTEMPT_BUFFER_ROWS may take, in bytes. Rows with responses, long URLs, and most of all with
   * bodies (STORE_PAYLOADS) can take far more than 1 KB. Further rows are dropped and counted, too.
   * Too low: rows are dropped in a short absence of PostgreSQL.
   * Too high: a long absence costs as much memory.
   * @default 67_108_864. Range 1_048_576 to 4_294_967_296. Env ATTEMPT_BUFFER_BYTES.
   */
  ATTEMPT_BUFFER_BYTES: wholeNumber(
    1_048_576,
    4_294_967_296,
  )({ default: 67_108_864, desc: 'memory that these rows may take (bytes)' }),

  /**
   * `failures`: the body of a dead letter is stored in PostgreSQL, in `payload` of `nats_recent_failures`. `none`: no body is
   * stored. Headers are never stored there. With both values, the dead letter in NATS holds the whole message, so that it can
   * be replayed.
   * @default none. Env STORE_PAYLOADS.
   */
  STORE_PAYLOADS: str({
    choices: ['none', 'failures'] as const,
    default: 'none',
    desc: 'bodies stored in PostgreSQL: `none`, or `failures` (dead letters)',
  }),

  /**
   * How much of a body is stored, in bytes.
   * Too low: the start of a body does not explain the failure.
   * Too high: the table grows, and fewer rows fit in ATTEMPT_BUFFER_BYTES.
   * @default 16_384. Range 1 to 1_048_576. Env STORE_PAYLOAD_BYTES.
   */
  STORE_PAYLOAD_BYTES: wholeNumber(
    1,
    1_048_576,
  )({ default: 16_384, desc: 'how much of a body is stored (bytes)' }),

  /**
   * Days that attempt rows are kept. The partition of a day is dropped whole.
   * Too low: you cannot look back far enough.
   * Too high: the table takes up disk space.
   * @default 7. Range 1 to 3_650. Env ATTEMPT_RETENTION_DAYS.
   */
  ATTEMPT_RETENTION_DAYS: wholeDays(1, 3650)({ default: 7, desc: 'days that attempt rows are kept' }),

  /**
   * How long attempts in flight may go on after SIGTERM or SIGINT, in milliseconds. The other attempts are aborted, and
   * their messages parked for other workers. The grace period of a container must be 7 s longer.
   * Too low: attempts are aborted that the endpoint may have processed, and the endpoint receives the webhook twice.
   * Too high: a stop takes long, and a container may be killed first.
   * @default 15_000. Range 0 to 600_000. Env SHUTDOWN_DRAIN_MS.
   */
  SHUTDOWN_DRAIN_MS: milliseconds(
    0,
    600_000,
  )({ default: 15_000, desc: 'how long attempts may go on at a stop (ms)' }),

  /**
   * The lowest level that is logged: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`. `info` logs failures,
   * not deliveries. `debug` logs every attempt.
   * @default info. Env LOG_LEVEL.
   */
  LOG_LEVEL: str({
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const,
    default: 'info',
    desc: '`debug` logs every attempt',
  }),

  /**
   * How a line of the log is written: `json`, `logfmt` or `pretty`.
   * @default pretty on a terminal, else json. Env LOG_FORMAT.
   */
  LOG_FORMAT: str({
    choices: ['json', 'logfmt', 'pretty'] as const,
    default: undefined,
    desc: '`json`, `logfmt` or `pretty`',
  }),

  /**
   * Port of `/health` of a worker, and of the page that `up` shows. 0: no port is opened.
   * @default 8_082. Range 0 to 65_535. Env HTTP_PORT.
   */
  HTTP_PORT: wholeNumber(0, 65_535)({ default: 8082, desc: 'port of `/health` of a worker; 0: off' }),

  /**
   * Path of a nats-server for `npm start` and `npm test`.
   * @default none: a nats-server is found or downloaded. Env NATS_SERVER_BIN.
   */
  NATS_SERVER_BIN: str({
    default: undefined,
    desc: 'nats-server that `npm start` and `npm test` start',
  }),
};
