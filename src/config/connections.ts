import { listOf, oneLine, parseNatsServer, postgresUrl, wholeNumber } from './validators.ts';

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

  /**
   * PostgreSQL. `sslmode` means what it means to psql. Never logged.
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
