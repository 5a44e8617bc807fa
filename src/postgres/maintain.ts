import type pg from 'pg';
import { errorCode } from '../runtime/failure.ts';
import { TRY_MAINTENANCE_LOCK } from './connection/advisory-lock.ts';
import { inTransaction } from './connection/transaction.ts';
import { dropOldestPartition, ensurePartitions } from './tables/attempt-partitions-table.ts';
import { deleteOldEndpointStates } from './tables/endpoint-states-table.ts';
import { deleteOldInstances } from './tables/instances-table.ts';
import { deleteExpired } from './tables/publish-history-table.ts';

const DAY_MS = 86_400_000;

/** Rows deleted in one transaction: short enough to be in nobody's way. */
const DELETE_BATCH = 10_000;

export type MaintenanceOptions = {
  /** Attempts are kept this many days at least, and a day longer at most. Env ATTEMPT_RETENTION_DAYS. */
  readonly attemptRetentionDays: number;
  /** In milliseconds since 1970. */
  readonly now: number;
};

export type Maintenance = {
  readonly partitionsDropped: string[];
  readonly deadLettersDeleted: number;
  readonly instancesDeleted: number;
  readonly endpointStatesDeleted: number;
};

/**
 * Makes today's and tomorrow's partitions of the attempts, drops those past their retention, and deletes expired dead
 * letters, the rows of workers long gone, and what those saw of their endpoints. Every worker may call it at any time: while one of them is at a step, the
 * others skip it. A partition that a long query holds is left for the next time.
 */
export async function maintain(pool: pg.Pool, options: MaintenanceOptions): Promise<Maintenance> {
  const { now } = options;
  await ensurePartitions(pool, [now, now + DAY_MS]);
  const instancesDeleted = await alone(pool, (client) => deleteOldInstances(client, now));
  return {
    partitionsDropped: await dropOldPartitions(pool, now - options.attemptRetentionDays * DAY_MS),
    deadLettersDeleted: await deleteAll(pool, (client) => deleteExpired(client, now, DELETE_BATCH)),
    instancesDeleted: instancesDeleted ?? 0,
    endpointStatesDeleted: await deleteAll(pool, (client) =>
      deleteOldEndpointStates(client, now, DELETE_BATCH),
    ),
  };
}

/** One transaction for each: dropping locks the whole table until its end. */
async function dropOldPartitions(pool: pg.Pool, olderThan: number): Promise<string[]> {
  const dropped: string[] = [];
  try {
    for (;;) {
      const name = await alone(pool, (client) => dropOldestPartition(client, olderThan));
      if (name === null) return dropped;
      dropped.push(name);
    }
  } catch (error) {
    if (errorCode(error) === '55P03') return dropped;
    throw error;
  }
}

/** @param deleteBatch Deletes at most `DELETE_BATCH` rows, and says how many. */
async function deleteAll(
  pool: pg.Pool,
  deleteBatch: (client: pg.PoolClient) => Promise<number>,
): Promise<number> {
  let total = 0;
  for (;;) {
    const deleted = (await alone(pool, deleteBatch)) ?? 0;
    total += deleted;
    if (deleted < DELETE_BATCH) return total;
  }
}

/** Runs one step in a transaction, unless another worker is at maintenance: then null. */
async function alone<T>(pool: pg.Pool, step: (client: pg.PoolClient) => Promise<T>): Promise<T | null> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query(TRY_MAINTENANCE_LOCK);
    return rows[0].taken ? step(client) : null;
  });
}
