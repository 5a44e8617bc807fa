import type pg from 'pg';

const OWN_ID = 'SELECT pg_current_xact_id()::text AS id';
const STATUS = 'SELECT pg_xact_status($1::xid8) AS status';

/** The id of the running transaction, for `wasCommitted`. */
export async function transactionId(client: pg.PoolClient): Promise<string> {
  return (await client.query(OWN_ID)).rows[0].id;
}

/**
 * True if the transaction was committed, false if it was rolled back.
 *
 * @throws Error while the transaction is still open.
 */
export async function wasCommitted(pool: pg.Pool, id: string): Promise<boolean> {
  const status: string | null = (await pool.query(STATUS, [id])).rows[0].status;
  if (status === 'in progress') throw new Error(`transaction ${id} is still open`);
  return status === 'committed';
}
