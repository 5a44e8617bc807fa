import type pg from 'pg';
import { describeConnectError } from '../../postgres/connection/connect-problem.ts';
import { createPool } from '../../postgres/connection/pool.ts';
import { UserError } from '../../runtime/failure.ts';
import { createLogger } from '../../runtime/logger.ts';

/**
 * Opens one PostgreSQL connection for a command of the user, and closes it when `work` ends.
 *
 * @throws {UserError} if PostgreSQL cannot be reached or refuses the login, with the cure; else what `work` throws.
 */
export async function withDatabase<T>(url: string, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  const log = await createLogger({ level: 'silent', format: 'json' });
  const pool = createPool({ url, size: 1, log });
  try {
    await checkConnection(pool, url);
    return await work(pool);
  } finally {
    await pool.end();
  }
}

async function checkConnection(pool: pg.Pool, url: string): Promise<void> {
  try {
    (await pool.connect()).release();
  } catch (error) {
    throw new UserError(describeConnectError(error, url), { cause: error });
  }
}
