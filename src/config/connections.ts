import { bool } from 'envalid';
import { jetStreamName, listOf, oneLine, parseNatsServer, postgresUrl, wholeNumber } from './validators.ts';

/** Connections to NATS and PostgreSQL. */
export const connections = {
  /**
   * NATS servers, comma-separated. The worker connects to one of them, and to another one if the connection is lost. A user
   * and a password in the URL (`nats://user:password@host`) work; NATS_USER and NATS_PASS keep them out of process lists.
   * @default nats://localhost:4222. Env NATS_URL.
   */
  NATS_URL: listOf(parseNatsServer)({
    default: ['nats://localhost:4222'],
    desc: 'NATS servers, comma-separated',
  }),

  /**
   * User at NATS.
   * @default none. Env NATS_USER.
   */
  NATS_USER: oneLine({ default: undefined, desc: 'NATS user' }),

  /**
   * Password of NATS_USER. It is never logged.
   * @default none. Env NATS_PASS.
   */
  NATS_PASS: oneLine({ default: undefined, desc: 'NATS password' }),

  /**
   * Token for NATS, in place of a user. It is never logged.
   * @default none. Env NATS_TOKEN.
   */
  NATS_TOKEN: oneLine({ default: undefined, desc: 'NATS token' }),

  /**
   * Path of a `.creds` file (user JWT and seed). The file is read again at every connect.
   * @default none. Env NATS_CREDS.
   */
  NATS_CREDS: oneLine({ default: undefined, desc: 'path of a NATS `.creds` file' }),

  /**
   * An NKey seed (`SU…`), or the path of a file that holds one. A text with a dot or a slash in it is a path. A seed is
   * never logged.
   * @default none. Env NATS_NKEY.
   */
  NATS_NKEY: oneLine({ default: undefined, desc: 'NKey seed, or the path of a file with it' }),

  /**
   * Path of the certificates of the authorities that sign the certificates of NATS servers (PEM).
   * @default the authorities of the system. Env NATS_TLS_CA.
   */
  NATS_TLS_CA: oneLine({ default: undefined, desc: 'path of the CA certificates for NATS (PEM)' }),

  /**
   * Path of our certificate, if NATS asks for one (PEM). Needs NATS_TLS_KEY.
   * @default none. Env NATS_TLS_CERT.
   */
  NATS_TLS_CERT: oneLine({ default: undefined, desc: 'path of our certificate for NATS (PEM)' }),

  /**
   * Path of the key of NATS_TLS_CERT (PEM).
   * @default none. Env NATS_TLS_KEY.
   */
  NATS_TLS_KEY: oneLine({ default: undefined, desc: 'path of the key of this certificate (PEM)' }),

  /**
   * Begin TLS before the server's greeting, for servers with `handshake_first`. Other servers then do not answer.
   * @default false. Env NATS_TLS_FIRST.
   */
  NATS_TLS_FIRST: bool({ default: false, desc: 'TLS first, for servers with `handshake_first`' }),

  /**
   * JetStream domain, if JetStream is behind a leaf node.
   * @default none. Env NATS_JS_DOMAIN.
   */
  NATS_JS_DOMAIN: jetStreamName({ default: undefined, desc: 'JetStream domain, behind a leaf node' }),

  /**
   * PostgreSQL. `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in its query have the same meaning as in psql. The URL is
   * never logged. While PostgreSQL is away, deliveries go on and statistics are kept in memory.
   * @default postgresql://localhost/postgres. Env DATABASE_URL.
   */
  DATABASE_URL: postgresUrl({
    default: 'postgresql://localhost/postgres',
    desc: 'PostgreSQL, with `sslmode` where wanted',
  }),

  /**
   * Connections to PostgreSQL of one process. Statistics need one. Maintenance opens one more, for seconds, once an hour.
   * Too low: reading endpoints waits behind a flush of statistics.
   * Too high: many workers use up PostgreSQL's max_connections.
   * @default 4. Range 1 to 100. Env DATABASE_POOL_SIZE.
   */
  DATABASE_POOL_SIZE: wholeNumber(1, 100)({ default: 4, desc: 'PostgreSQL connections of one process' }),
};
