import type pg from 'pg';
import { costOf } from '../core/records/refusal.ts';
import { errorCode } from '../runtime/failure.ts';
import { TRY_MAINTENANCE_LOCK } from './connection/advisory-lock.ts';
import { inTransaction } from './connection/transaction.ts';
import { dropOldestPartition, ensurePartitions } from './tables/attempt-partitions-table.ts';
import { deleteOldEndpointStates } from './tables/endpoint-states-table.ts';
import { deleteOldInstances } from './tables/instances-table.ts';
import { deleteExpired } from './tables/publish-history-table.ts';
import { deleteOldReceivedWebhooks } from './tables/received-webhooks-table.ts';

const DAY_MS = 86_400_000;
/** lock_not_available: a long query, or another session, uses the table. */
const LOCKED = '55P03';

/** The most rows that one transaction deletes. Few enough that the transaction is short and blocks no other work for long. */
const DELETE_BATCH = 10_000;

export type MaintenanceOptions = {
  /** Attempts are kept for at least this number of days, and at most one day longer. Env ATTEMPT_RETENTION_DAYS. */
  readonly attemptRetentionDays: number;
  /** In milliseconds since 1970. */
  readonly now: number;
};

export type Maintenance = {
  readonly partitionsDropped: string[];
  readonly deadLettersDeleted: number;
  readonly instancesDeleted: number;
  readonly endpointStatesDeleted: number;
  readonly receivedWebhooksDeleted: number;
};

/**
 * Creates today's and tomorrow's partitions of the attempts and drops the partitions past their retention. Deletes expired dead
 * letters, the rows of workers that stopped long ago, their endpoint states, and old rows of received webhooks. Every worker may
 * call this at any time: while one worker runs a step, the others skip that step. A partition that a long query holds is left for
 * the next time. Where PostgreSQL refuses the partitions, the other steps run before the error is thrown.
 */
export async function maintain(pool: pg.Pool, options: MaintenanceOptions): Promise<Maintenance> {
  const { now } = options;
  const refusal = await refusalOf(() => ensurePartitions(pool, [now, now + DAY_MS]));
  const instancesDeleted = await alone(pool, (client) => deleteOldInstances(client, now));
  const done = {
    partitionsDropped: await dropOldPartitions(pool, now - options.attemptRetentionDays * DAY_MS),
    deadLettersDeleted: await deleteAll(pool, (client) => deleteExpired(client, now, DELETE_BATCH)),
    instancesDeleted: instancesDeleted ?? 0,
    endpointStatesDeleted: await deleteAll(pool, (client) =>
      deleteOldEndpointStates(client, now, DELETE_BATCH),
    ),
    receivedWebhooksDeleted: await deleteAll(pool, (client) =>
      deleteOldReceivedWebhooks(client, now - options.attemptRetentionDays * DAY_MS, DELETE_BATCH),
    ),
  };
  if (refusal !== null) throw refusal;
  return done;
}

/** Null if the work was done. A lock that was not granted is no reason to leave the other steps out. @throws Errors of the connection. */
async function refusalOf(work: () => Promise<void>): Promise<unknown> {
  try {
    await work();
    return null;
  } catch (error) {
    if (costOf(errorCode(error)) === 'nothing' && errorCode(error) !== LOCKED) throw error;
    return error;
  }
}

/** One transaction per partition: dropping a partition locks the whole table until the end of the transaction. */
async function dropOldPartitions(pool: pg.Pool, olderThan: number): Promise<string[]> {
  const dropped: string[] = [];
  try {
    for (;;) {
      const name = await alone(pool, (client) => dropOldestPartition(client, olderThan));
      if (name === null) return dropped;
      dropped.push(name);
    }
  } catch (error) {
    if (errorCode(error) === LOCKED) return dropped;
    throw error;
  }
}

/** @param deleteBatch Deletes at most `DELETE_BATCH` rows, and returns their number. */
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

/** Runs one step in a transaction. Null if another worker is running a maintenance step. */
async function alone<T>(pool: pg.Pool, step: (client: pg.PoolClient) => Promise<T>): Promise<T | null> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query(TRY_MAINTENANCE_LOCK);
    return rows[0].taken ? step(client) : null;
  });
}
