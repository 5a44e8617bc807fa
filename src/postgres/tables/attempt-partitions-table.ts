import type pg from 'pg';
import { WAIT_FOR_PARTITION_LOCK } from '../connection/advisory-lock.ts';
import { inTransaction } from '../connection/transaction.ts';
import { storableTime } from './storable.ts';

const PREFIX = 'rule_nats_delivery_attempts_';

/** A lock that is waited for longer stands in the way of everyone's flushes; maintenance comes round again. */
const LOCK_TIMEOUT = `SET LOCAL lock_timeout = '5s'`;

/** Not by to_regclass: after the wait for a lock, PostgreSQL may still remember the absence of a name from before. */
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

/** They run as the owner of the table, which a worker need not be. */
const ADD_DAY = 'SELECT rule_nats_delivery_attempts_add_day($1::date)';
const DROP_DAY = 'SELECT rule_nats_delivery_attempts_drop_day($1::date)';

/** The day, in UTC, as the partitions' names have it: 20250131. @param time In milliseconds since 1970. */
function partitionOf(time: number): string {
  return PREFIX + new Date(storableTime(time)).toISOString().slice(0, 10).replaceAll('-', '');
}

/**
 * Makes the partitions for these times where they are missing. Looks every time: another worker's maintenance may have
 * dropped one since. @param times In milliseconds since 1970.
 */
export async function ensurePartitions(pool: pg.Pool, times: readonly number[]): Promise<void> {
  const names = new Set(times.map(partitionOf));
  if (names.size === 0) return;
  const { rows } = await pool.query(MISSING, [[...names]]);
  for (const { name } of rows) await createPartition(pool, name);
}

async function createPartition(pool: pg.Pool, name: string): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(WAIT_FOR_PARTITION_LOCK);
    const { rowCount } = await client.query(MISSING, [[name]]);
    if (rowCount === 0) return;
    await client.query(ADD_DAY, [dayOf(name)]);
  });
}

/**
 * Drops the oldest partition all of whose rows are older than `olderThan`, in milliseconds since 1970.
 *
 * @returns Its name; null where there is none.
 * @throws With code 55P03 where a long query holds the table.
 */
export async function dropOldestPartition(client: pg.PoolClient, olderThan: number): Promise<string | null> {
  await client.query(LOCK_TIMEOUT);
  await client.query(WAIT_FOR_PARTITION_LOCK);
  const { rows } = await client.query(ATTACHED);
  const oldest: string | undefined = rows[0]?.name;
  // Names sort as their days do, and the day that `olderThan` is in has rows that are younger.
  if (oldest === undefined || oldest >= partitionOf(olderThan)) return null;
  await client.query(DROP_DAY, [dayOf(oldest)]);
  return oldest;
}

/** The day of a partition, as PostgreSQL reads it whatever its DateStyle: 20250131. */
function dayOf(name: string): string {
  return name.slice(PREFIX.length);
}
