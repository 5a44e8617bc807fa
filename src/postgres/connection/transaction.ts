import type pg from 'pg';
import { errorCode } from '../../runtime/failure.ts';

/**
 * Set within the transaction, because PgBouncer refuses these settings as parameters of the connection. A short timeout of the
 * database would end a transaction while this process is busy; without `array_nulls`, NULL in our arrays would be a text.
 */
const SETTINGS = 'SET LOCAL array_nulls = on';

export type TransactionOptions = {
  /** How long the transaction may wait for this process, in milliseconds. Then PostgreSQL ends it. @default 60_000 */
  readonly idleTimeoutMs?: number;
  /** Settings for this transaction, as `SET LOCAL` statements. */
  readonly settings?: string;
};

/**
 * Runs `work` in one transaction. If `work` throws, the transaction is rolled back, and the error is thrown again.
 *
 * @param statementTimeoutMs How long one statement may take, in milliseconds; 0: no limit. Set within the transaction, because
 *   PgBouncer refuses it as a parameter of the connection. @default 30_000
 */
export async function inTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  statementTimeoutMs = 30_000,
  { idleTimeoutMs = 60_000, settings = '' }: TransactionOptions = {},
): Promise<T> {
  const client = await pool.connect();
  let usable = true;
  try {
    // Our statements depend on this isolation level: each one sees what other transactions committed before it, also after it
    // waited for a lock.
    await client.query(
      `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = ${statementTimeoutMs}; ` +
        `SET LOCAL idle_in_transaction_session_timeout = ${idleTimeoutMs}; ${SETTINGS}; ${settings}`,
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

/** True if the connection can be used again. If the connection itself failed, no ROLLBACK is sent: it might never be answered. */
async function rollBack(client: pg.PoolClient, error: unknown): Promise<boolean> {
  if (errorCode(error) === undefined) return false;
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}
