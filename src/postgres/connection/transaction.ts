import type pg from 'pg';
import { errorCode } from '../../runtime/failure.ts';

/**
 * Runs `work` in one transaction; whatever it throws rolls all of it back and is thrown on.
 *
 * @param statementTimeoutMs How long one statement may take, in milliseconds; 0: for ever. Set within the transaction,
 *   since PgBouncer refuses it as a parameter of the connection. @default 30_000
 */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  statementTimeoutMs = 30_000,
): Promise<T> {
  const client = await pool.connect();
  let usable = true;
  try {
    // The order of locks, and each statement's fresh view of what others committed, rest on this isolation level.
    await client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${statementTimeoutMs}`,
    );
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    usable = await rollBack(client, error);
    throw error;
  } finally {
    client.release(!usable);
  }
}

/** Whether the connection can be used again. One that failed itself is not asked: it might never answer. */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<boolean> {
  if (errorCode(error) === undefined) return false;
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}
