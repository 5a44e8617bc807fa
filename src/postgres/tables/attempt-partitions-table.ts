import type pg from 'pg';
import { costOf } from '../../core/records/refusal.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { WAIT_FOR_PARTITION_LOCK } from '../connection/advisory-lock.ts';
import { inTransaction } from '../connection/transaction.ts';
import { storableTime } from './storable.ts';

const PREFIX = 'rule_nats_delivery_attempts_';

/**
 * While a partition waits for the lock of the table, all flushes of all workers wait behind it. After 1 s it gives up. The next
 * flush tries again to create it, and the next maintenance to drop it.
 */
const LOCK_TIMEOUT = `SET LOCAL lock_timeout = '1s'`;

/**
 * Does not use to_regclass for the partitions: after a wait for a lock, PostgreSQL may still remember that a name did not exist.
 */
const MISSING = `
  SELECT name FROM unnest($1::text[]) AS name
  WHERE NOT EXISTS (
    SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = to_regclass('rule_nats_delivery_attempts') AND relname = name
  )`;

const ATTACHED = `
  SELECT relname AS name
  FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
  WHERE inhparent = to_regclass('rule_nats_delivery_attempts') AND relname ~ '^${PREFIX}[0-9]{8}$'
  ORDER BY relname`;

/** These functions run with the rights of the table's owner, so the worker need not own the table. */
const ADD_DAY = 'SELECT rule_nats_delivery_attempts_add_day($1::date)';
const DROP_DAY = 'SELECT rule_nats_delivery_attempts_drop_day($1::date)';

/** The name of the partition for a time: its day in UTC, such as 20250131. @param time In milliseconds since 1970. */
export function partitionOf(time: number): string {
  return PREFIX + new Date(storableTime(time)).toISOString().slice(0, 10).replaceAll('-', '');
}

/**
 * Creates the missing partitions for these times. Asks the database every time, because the maintenance of another worker may
 * have dropped a partition. @param times In milliseconds since 1970.
 */
export async function ensurePartitions(pool: pg.Pool, times: readonly number[]): Promise<void> {
  for (const name of await missingPartitions(pool, times)) await createPartition(pool, name);
}

/**
 * Creates the missing partitions that PostgreSQL accepts. It refuses a partition that was detached and still exists, and a
 * partition whose day is in a larger partition of the operator.
 *
 * @returns The names of the refused partitions, with PostgreSQL's message where a right is missing.
 */
export async function ensurePossiblePartitions(
  pool: pg.Pool,
  times: readonly number[],
): Promise<ReadonlyMap<string, string | undefined>> {
  const refused = new Map<string, string | undefined>();
  for (const name of await missingPartitions(pool, times)) {
    try {
      await createPartition(pool, name);
    } catch (error) {
      const cost = costOf(errorCode(error));
      if (cost === 'nothing') throw error;
      refused.set(name, cost === 'wait' ? errorMessage(error) : undefined);
    }
  }
  return refused;
}

async function missingPartitions(pool: pg.Pool, times: readonly number[]): Promise<string[]> {
  const names = new Set(times.map(partitionOf));
  if (names.size === 0) return [];
  const { rows } = await pool.query(MISSING, [[...names]]);
  return rows.map(({ name }) => name);
}

async function createPartition(pool: pg.Pool, name: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(LOCK_TIMEOUT);
    await client.query(WAIT_FOR_PARTITION_LOCK);
    const { rowCount } = await client.query(MISSING, [[name]]);
    if (rowCount === 0) return;
    await client.query(ADD_DAY, [dayOf(name)]);
  });
}

/**
 * Drops the oldest partition if all its rows are older than `olderThan`, in milliseconds since 1970.
 *
 * @returns The name of the dropped partition; null if there was none to drop.
 * @throws With code 55P03 if a long query holds the table.
 */
export async function dropOldestPartition(client: pg.PoolClient, olderThan: number): Promise<string | null> {
  await client.query(LOCK_TIMEOUT);
  await client.query(WAIT_FOR_PARTITION_LOCK);
  const { rows } = await client.query(ATTACHED);
  const oldest: string | undefined = rows[0]?.name;
  // Names sort like their days. The partition of the day of `olderThan` also has younger rows.
  if (oldest === undefined || oldest >= partitionOf(olderThan)) return null;
  await client.query(DROP_DAY, [dayOf(oldest)]);
  return oldest;
}

/** The day of a partition in a form that PostgreSQL reads with every DateStyle: 20250131. */
function dayOf(name: string): string {
  return name.slice(PREFIX.length);
}
