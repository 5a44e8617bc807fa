import { bool } from 'envalid';
import { jetStreamName, listOf, oneLine, parseNatsServer, postgresUrl, wholeNumber } from './validators.ts';

/** How NATS and PostgreSQL are reached. */
export const connections = {
  /**
   * NATS servers, comma-separated: one that answers is used, and the others when it goes.
   * Userinfo (`nats://user:password@host`) works; NATS_USER and NATS_PASS keep it out of process lists.
   * @default nats://localhost:4222. Env NATS_URL.
   */
  NATS_URL: listOf(parseNatsServer)({
    default: ['nats://localhost:4222'],
    desc: 'NATS servers, comma-separated',
  }),

  /** User of NATS. @default none. Env NATS_USER. */
  NATS_USER: oneLine({ default: undefined, desc: 'NATS user' }),

  /** Password of NATS_USER. Never logged. @default none. Env NATS_PASS. */
  NATS_PASS: oneLine({ default: undefined, desc: 'NATS password' }),

  /** Token of NATS, in place of a user. Never logged. @default none. Env NATS_TOKEN. */
  NATS_TOKEN: oneLine({ default: undefined, desc: 'NATS token' }),

  /** A `.creds` file (user JWT and seed), read again at every connect. @default none. Env NATS_CREDS. */
  NATS_CREDS: oneLine({ default: undefined, desc: 'path of a NATS `.creds` file' }),

  /**
   * An NKey seed (`SU…`), or the path of a file that holds one: a path has a dot or a slash in it. A seed is never
   * logged. @default none. Env NATS_NKEY.
   */
  NATS_NKEY: oneLine({ default: undefined, desc: 'NKey seed, or the path of a file with it' }),

  /** Certificates of the authorities that NATS servers are checked against (PEM). @default the system's. Env NATS_TLS_CA. */
  NATS_TLS_CA: oneLine({ default: undefined, desc: 'path of the CA certificates for NATS (PEM)' }),

  /** Our certificate, where NATS asks for one (PEM). Needs NATS_TLS_KEY. @default none. Env NATS_TLS_CERT. */
  NATS_TLS_CERT: oneLine({ default: undefined, desc: 'path of our certificate for NATS (PEM)' }),

  /** The key of NATS_TLS_CERT (PEM). @default none. Env NATS_TLS_KEY. */
  NATS_TLS_KEY: oneLine({ default: undefined, desc: 'path of its key (PEM)' }),

  /** TLS before the server's greeting, for servers with `handshake_first`; others do not answer then. @default false. Env NATS_TLS_FIRST. */
  NATS_TLS_FIRST: bool({ default: false, desc: 'TLS first, for servers with `handshake_first`' }),

  /** JetStream domain, where JetStream is behind a leaf node. @default none. Env NATS_JS_DOMAIN. */
  NATS_JS_DOMAIN: jetStreamName({ default: undefined, desc: 'JetStream domain, behind a leaf node' }),

  /**
   * PostgreSQL. `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in its query mean what they mean to psql. Never logged.
   * While it is away deliveries go on and statistics wait in memory.
   * @default postgresql://localhost/postgres. Env DATABASE_URL.
   */
  DATABASE_URL: postgresUrl({
    default: 'postgresql://localhost/postgres',
    desc: 'PostgreSQL, with `sslmode` where wanted',
  }),

  /**
   * Connections to PostgreSQL of one process. Statistics need one; too high, and many workers use up
   * PostgreSQL's max_connections.
   * @default 4. Range 1 to 100. Env DATABASE_POOL_SIZE.
   */
  DATABASE_POOL_SIZE: wholeNumber(1, 100)({ default: 4, desc: 'PostgreSQL connections of one process' }),
};
