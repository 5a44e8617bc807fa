import type pg from 'pg';

export type Backlog = {
  /** Rows that wait, and rows that NATS refuses. At most 100 000 each. */
  readonly waiting: number;
  readonly failed: number;
  /** Since the oldest waiting row was enqueued, in milliseconds; null: none waits. */
  readonly oldestAgeMs: number | null;
};

const READ =
  'SELECT waiting, failed, oldest_age_ms::double precision AS oldest_age_ms FROM nats_outbox_backlog';

/** How much waits in the outbox. */
export async function readBacklog(client: pg.Pool | pg.PoolClient): Promise<Backlog> {
  const { waiting, failed, oldest_age_ms: oldestAgeMs } = (await client.query(READ)).rows[0];
  return { waiting, failed, oldestAgeMs };
}
