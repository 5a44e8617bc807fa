import type pg from 'pg';
import { describeConnectError } from '../../postgres/connection/connect-problem.ts';
import { createPool } from '../../postgres/connection/pool.ts';
import { errorCode, errorMessage, UserError } from '../../runtime/failure.ts';
import { createLogger } from '../../runtime/logger.ts';

/**
 * Connects to PostgreSQL for a command of the user, and disconnects when `work` ends.
 *
 * @param size The most connections.
 * @throws {UserError} if PostgreSQL cannot be reached or refuses the login, with the cure; else what `work` throws.
 */
export async function withDatabase<T>(
  url: string,
  work: (pool: pg.Pool) => Promise<T>,
  size = 1,
): Promise<T> {
  const log = await createLogger({ level: 'silent', format: 'json' });
  const pool = createPool({ url, size, log });
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

const UNDEFINED_TABLE = '42P01';

/**
 * The same for a command that works on our tables.
 *
 * @throws {UserError} also if PostgreSQL refuses a statement, because a table or a right is missing.
 */
export async function withTables<T>(url: string, work: (pool: pg.Pool) => Promise<T>): Promise<T> {
  return withDatabase(url, work).catch((error) => {
    if (error instanceof UserError || errorCode(error) === undefined) throw error;
    const message =
      errorCode(error) === UNDEFINED_TABLE
        ? `${errorMessage(error)}. Run the command migrate: it creates the tables.`
        : describeConnectError(error, url);
    throw new UserError(message, { cause: error });
  });
}
