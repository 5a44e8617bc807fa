import type { Socket } from 'node:net';
import pg from 'pg';
import { errorCode, errorMessage, UserError } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { describeServer } from './connect-problem.ts';

const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'];

export type PoolOptions = {
  /**
   * `postgresql://user:password@host:port/database`, with `sslmode` and `sslrootcert` as in libpq, save that `prefer`
   * does not fall back to a connection in the clear. Without `sslmode`: no TLS. Env DATABASE_URL.
   */
  readonly url: string;
  /** Connections at most; opened when needed. Env DATABASE_POOL_SIZE. */
  readonly size: number;
  readonly log: Logger;
};

/**
 * A pool that connects when it is first used, so it can be made while PostgreSQL is away. A connection attempt takes at
 * most 10 s, a query 60 s (migrations longer). Connections that break while nobody uses them are logged and replaced.
 *
 * @throws UserError where the URL cannot be used.
 */
export function createPool({ url, size, log }: PoolOptions): pg.Pool {
  checkUrl(url);
  const pool = new pg.Pool({
    Client: ClientWithClearWords,
    connectionString: withLibpqRules(url),
    max: size,
    application_name: 'nats-webhook-worker',
    connectionTimeoutMillis: 10_000,
    query_timeout: 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  pool.on('error', (error) => {
    log.warn(
      { server: describeServer(url), code: errorCode(error), error: errorMessage(error) },
      'lost an idle connection to PostgreSQL',
    );
  });
  // A connection that breaks while somebody holds it says so twice: here, where without a listener it would end the
  // process, and by failing that somebody's next query.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** What of `pg` is not in its types. */
type Connection = { readonly stream: Socket; emit(event: 'error', error: Error): void };

/** The answer of a server without TLS to who asks for it. */
const NO_TLS = 'N'.charCodeAt(0);

/** `pg` has no code for a server without TLS where the URL asks for it, nor for one that asks for a password when there is none. */
class ClientWithClearWords extends pg.Client {
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
}

function checkUrl(url: string): void {
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

/** Otherwise `pg` takes `require` for `verify-full`. */
function withLibpqRules(url: string): string {
  if (/[?&]uselibpqcompat=/.test(url)) return url;
  return `${url}${url.includes('?') ? '&' : '?'}uselibpqcompat=true`;
}
