import pg from 'pg';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { checkUrl, clientConfig, PgClient } from './client.ts';
import { describeServer } from './connect-problem.ts';

export type PoolOptions = {
  /**
   * `postgresql://user:password@host:port/database`, with `sslmode` and `sslrootcert` as in libpq, except that `prefer` does not
   * fall back to a connection without TLS. Without `sslmode`: no TLS. Env DATABASE_URL.
   */
  readonly url: string;
  /** The most connections. A connection is opened when a query needs it. Env DATABASE_POOL_SIZE. */
  readonly size: number;
  readonly log: Logger;
};

/**
 * A pool that connects when it is first used, so it can be created while PostgreSQL is away. A connection attempt takes at most
 * 10 s, a query at most 60 s (a migration longer). Idle connections that break are logged and replaced.
 *
 * @throws UserError if the URL cannot be used.
 */
export function createPool({ url, size, log }: PoolOptions): pg.Pool {
  checkUrl(url);
  const pool = new pg.Pool({
    ...clientConfig(url),
    Client: PgClient,
    max: size,
    query_timeout: 60_000,
  });
  pool.on('error', (error) => {
    log.warn(
      {
        server: describeServer(url),
        code: errorCode(error),
        error: errorMessage(error),
        hint: 'An idle connection is lost. The worker opens another connection when a query needs one.',
      },
      'postgres.connection_lost',
    );
  });
  // If a connection breaks while it is in use, its next query fails. It also emits this event, which without a listener would end
  // the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}
