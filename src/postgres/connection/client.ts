import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import pg from 'pg';
import { errorCode, UserError } from '../../runtime/failure.ts';

// A URL without a user, and no PGUSER: the system user, as psql has it. `pg` only knows $USER, which services and
// containers often lack.
pg.defaults.user = systemUser() ?? pg.defaults.user;

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

/** How every connection of ours is made, whoever holds it. An attempt takes at most 10 s. */
export function clientConfig(url: string): pg.ClientConfig {
  return {
    connectionString: withLibpqRules(url),
    application_name: 'nats-webhook-worker',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

/** What of `pg` is not in its types. */
type Connection = { readonly stream: Socket; emit(event: 'error', error: Error): void };

/** The answer of a server without TLS to who asks for it. */
const NO_TLS = 'N'.charCodeAt(0);

/** `pg` has no code for a server without TLS where the URL asks for it, nor for one that asks for a password when there is none. */
export class PgClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config);
    const { connection, ssl } = this as unknown as { connection: Connection; ssl: unknown };
    if (ssl) {
      // Before `pg` reads the same byte, and throws words without a code.
      connection.stream.once('data', (answer) => {
        if (answer[0] !== NO_TLS) return;
        connection.emit(
          'error',
          new UserError(
            'the server does not speak TLS, and sslmode asks for it. Switch it on there (ssl = on), or set sslmode=disable',
          ),
        );
      });
    }
    // Only asked for when the server asks.
    const self = this as unknown as { password: null | string | (() => Promise<string>) };
    self.password ??= async () => {
      // Else the server would hold the connection, and the pool wait for it, until its authentication_timeout.
      setImmediate(() => this.end());
      throw new UserError('the server asks for a password and the URL has none. Put it into the URL');
    };
  }

  /** Lets the process end while the connection is open. To be said once it is being made, and again once it is made. */
  unref(): void {
    (this as unknown as { connection: Connection }).connection.stream.unref();
  }

  /** Ends the connection at once, also one that is still being made, or that nobody answers. */
  destroy(): void {
    (this as unknown as { connection: Connection }).connection.stream.destroy();
  }
}

/** @throws UserError where the URL cannot be used. */
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
    // Reads the URL and the certificates that it names, and connects to nothing.
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

/** Undefined for a user id without an entry, as containers run with. */
function systemUser(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** Otherwise `pg` takes `require` for `verify-full`. */
function withLibpqRules(url: string): string {
  if (/[?&]uselibpqcompat=/.test(url)) return url;
  return `${url}${url.includes('?') ? '&' : '?'}uselibpqcompat=true`;
}
