import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import pg from 'pg';
import { errorCode, UserError } from '../../runtime/failure.ts';

// Without a user in the URL and without PGUSER, the user is the system user, as in psql. `pg` reads only $USER, which services
// and containers often lack.
pg.defaults.user = systemUser() ?? pg.defaults.user;

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

/**
 * The settings of a session that our SQL and our parsing depend on, so that the defaults of a server, a database or a role change
 * nothing. They go with the startup message: behind PgBouncer, a SET would be lost, or would stay for another client. PgBouncer
 * accepts these parameters (IntervalStyle from 1.20 on) and no others. `pg` itself sends client_encoding=UTF8.
 */
const SESSION: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  // Migrations hold regular expressions with backslashes.
  standard_conforming_strings: 'on',
};

/** The options of every connection to PostgreSQL. An attempt to connect takes at most 10 s. */
export function clientConfig(url: string): pg.ClientConfig {
  return {
    connectionString: withLibpqRules(url),
    application_name: 'nats-webhook-worker',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

/** Parts of `pg` that are not in its types. */
type StartupConf = { getStartupConf(): Readonly<Record<string, string>> };
type Connection = { readonly stream: Socket; emit(event: 'error', error: Error): void };

/** The answer of a server without TLS to a client that asks for TLS. */
const NO_TLS = 'N'.charCodeAt(0);

/**
 * A client with the session settings that our SQL depends on. It also has clear errors in two cases for which `pg` has no error
 * code: the URL asks for TLS and the server has none; the server asks for a password and the URL has none.
 */
export class PgClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const { connection, ssl } = this as unknown as { connection: Connection; ssl: unknown };
    if (ssl) {
      // This listener runs before `pg` reads the same byte and throws an error without a code.
      connection.stream.once('data', (answer) => {
        if (answer[0] !== NO_TLS) return;
        connection.emit(
          'error',
          new UserError(
            'the server does not speak TLS, and sslmode asks for TLS. Switch on TLS in the server (ssl = on), or set sslmode=disable',
          ),
        );
      });
    }
    // `pg` calls this function only if the server asks for a password.
    const self = this as unknown as { password: null | string | (() => Promise<string>) };
    self.password ??= async () => {
      // Without this, the server would hold the connection until its authentication_timeout, and the pool would wait for it.
      setImmediate(() => this.end());
      throw new UserError(
        'the server asks for a password and the URL has none. Put the password into the URL',
      );
    };
  }

  /** `pg` calls this method to build the startup message. */
  getStartupConf(): Readonly<Record<string, string>> {
    return { ...(pg.Client.prototype as unknown as StartupConf).getStartupConf.call(this), ...SESSION };
  }

  /**
   * Lets the process end while the connection is open. To be called after `connect()` was called, and again once it is connected.
   */
  unref(): void {
    (this as unknown as { connection: Connection }).connection.stream.unref();
  }

  /** Ends the connection at once, also while it is still being made, and if the server does not answer. */
  destroy(): void {
    (this as unknown as { connection: Connection }).connection.stream.destroy();
  }
}

/** @throws UserError if the URL cannot be used. */
export function checkUrl(url: string): void {
  const cure =
    'It has the form postgresql://user:password@host:5432/database; % and @ : / ? # in a password are';
  if (!/^postgres(ql)?:\/\//i.test(url)) {
    throw new UserError(`DATABASE_URL is not a PostgreSQL URL. ${cure} percent-encoded.`);
  }
  const mode = /[?&]sslmode=([^&]*)/.exec(url)?.[1];
  if (mode !== undefined && !SSL_MODES.includes(mode)) {
    throw new UserError(`DATABASE_URL has sslmode=${mode}. It is one of ${SSL_MODES.join(', ')}.`);
  }
  if (/^[^/]*\/\/[^/?#]*[/?#].*@/.test(url)) {
    throw new UserError(`DATABASE_URL has an @ after its host. ${cure} percent-encoded.`);
  }
  try {
    // Reads the URL and its certificate files, and does not connect.
    new pg.Client({ connectionString: withLibpqRules(url) });
  } catch (error) {
    const path = (error as NodeJS.ErrnoException).path;
    if (path !== undefined) {
      throw new UserError(
        `DATABASE_URL names a certificate file that cannot be read: ${path} (${errorCode(error)}).`,
      );
    }
    if (mode === 'verify-ca') {
      throw new UserError(
        'DATABASE_URL has sslmode=verify-ca without sslrootcert=<file of the CA certificate>.',
      );
    }
    throw new UserError(
      `DATABASE_URL cannot be read. ${cure} percent-encoded (%25, %40, %3A, %2F, %3F, %23).`,
    );
  }
}

/** Undefined if the user id has no name, as in many containers. */
function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Without this parameter, `pg` treats `require` like `verify-full`. */
function withLibpqRules(url: string): string {
  if (/[?&]uselibpqcompat=/.test(url)) return url;
  return `${url}${url.includes('?') ? '&' : '?'}uselibpqcompat=true`;
}
