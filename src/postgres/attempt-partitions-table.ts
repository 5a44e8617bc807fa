import type pg from 'pg';
import { WAIT_FOR_PARTITION_LOCK } from './advisory-lock.ts';
import { storableTime } from './storable.ts';
import { inTransaction } from './transaction.ts';

const PREFIX = 'rule_nats_delivery_attempts_';
const DAY_MS = 86_400_000;

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

/** The day, in UTC, as the partitions' names have it: 20250131. @param time In milliseconds since 1970. */
function partitionOf(time: number): string {
  return PREFIX + new Date(storableTime(time)).toISOString().slice(0, 10).replaceAll('-', '');
}

/**
 * Makes the partitions for these times where they are missing. Looks every time: another worker's maintenance may have
 * dropped one since. @param times In milliseconds since 1970.
 */
export async function ensurePartitions(pool: pg.Pool, times: readonly number[]): Promise<void> {
  const starts = new Map(times.map((time) => startOfDay(time)).map((start) => [partitionOf(start), start]));
  if (starts.size === 0) return;
  const { rows } = await pool.query(MISSING, [[...starts.keys()]]);
  for (const { name } of rows) await createPartition(pool, name, starts.get(name)!);
}

/**
 * Made beside the table and then attached: unlike CREATE … PARTITION OF, that lets flushes and readers go on meanwhile.
 */
async function createPartition(pool: pg.Pool, name: string, start: number): Promise<void> {
  await inTransaction(pool, async (client) => {
    await client.query(WAIT_FOR_PARTITION_LOCK);
    const { rowCount } = await client.query(MISSING, [[name]]);
    if (rowCount === 0) return;
    await client.query(`
      CREATE TABLE ${name} (LIKE rule_nats_delivery_attempts INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES);
      ALTER TABLE rule_nats_delivery_attempts ATTACH PARTITION ${name}
        FOR VALUES FROM ('${iso(start)}') TO ('${iso(start + DAY_MS)}')`);
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
  await client.query(`DROP TABLE ${oldest}`);
  return oldest;
}

function startOfDay(time: number): number {
  return Math.floor(storableTime(time) / DAY_MS) * DAY_MS;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
