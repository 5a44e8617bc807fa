import pg from 'pg';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { checkUrl, clientConfig, PgClient } from './client.ts';
import { describeServer } from './connect-problem.ts';

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
  // A connection that breaks while somebody holds it says so twice: here, where without a listener it would end the
  // process, and by failing that somebody's next query.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}
