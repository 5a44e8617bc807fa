import type pg from 'pg';
import { errorCode } from '../../runtime/failure.ts';
import { inTransaction } from './transaction.ts';

/** The code of PostgreSQL for a statement that it ended because of statement_timeout. */
const QUERY_CANCELED = '57014';

/**
 * Reads, but lets PostgreSQL work on each statement for a time at most.
 *
 * @param withinMs In milliseconds. Does not bound the wait for a PostgreSQL that does not answer at all.
 */
export async function readWithin<T>(
  pool: pg.Pool,
  withinMs: number,
  read: (client: pg.PoolClient) => Promise<T>,
): Promise<T | 'tooSlow'> {
  try {
    return await inTransaction(pool, read, withinMs);
  } catch (error) {
    if (errorCode(error) === QUERY_CANCELED) return 'tooSlow';
    throw error;
  }
}
