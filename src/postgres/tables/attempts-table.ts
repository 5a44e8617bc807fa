import type pg from 'pg';
import { ATTEMPT_COLUMNS, type Column, type StoredAs } from '../../core/records/attempt-columns.ts';
import type { AttemptRecord } from '../../core/records/statistics.ts';
import {
  indexedText,
  MAX_INTEGER,
  nameText,
  storableCount,
  storableNumber,
  storableText,
  storableTime,
} from './storable.ts';

/** The largest whole number that numeric(12,3) holds. */
const MAX_DURATION_MS = 999_999_999;

type Storage =
  /** `type`: of the parameter. */
  | { readonly type: 'text'; readonly storable: (value: string) => string }
  | {
      readonly type: 'integer' | 'bigint' | 'numeric' | 'double precision';
      readonly storable: (value: number) => number;
    };

const STORAGE: Readonly<Record<StoredAs, Storage>> = {
  word: { type: 'text', storable: (word) => word },
  key: { type: 'text', storable: indexedText },
  text: { type: 'text', storable: (text) => storableText(text) },
  count: { type: 'integer', storable: (count) => storableCount(count, MAX_INTEGER) },
  id: { type: 'bigint', storable: (id) => id },
  duration: { type: 'numeric', storable: (ms) => storableNumber(ms, MAX_DURATION_MS) },
  time: { type: 'double precision', storable: storableTime },
};

const COLUMNS = Object.entries(ATTEMPT_COLUMNS) as [keyof AttemptRecord, Column<unknown>][];
const NAMES = COLUMNS.map(([, { name }]) => name).join(', ');
const VALUES = COLUMNS.map(([, { name, as }]) => (as === 'time' ? `to_timestamp(${name} / 1000)` : name));
const PARAMETERS = COLUMNS.map(([, { as }], index) => `$${index + 1}::${STORAGE[as].type}[]`);

const INSERT = `
  INSERT INTO rule_nats_delivery_attempts (${NAMES}, worker)
  SELECT ${VALUES.join(', ')}, $${COLUMNS.length + 1}
  FROM unnest(${PARAMETERS.join(', ')}) AS record (${NAMES})`;

const COUNT = 'SELECT count(*) AS rows FROM rule_nats_delivery_attempts';

/** The partitions of all rows must exist: see `ensurePartitions`. */
export async function insertAttempts(
  client: pg.PoolClient,
  worker: string,
  records: readonly AttemptRecord[],
): Promise<void> {
  if (records.length === 0) return;
  const values = COLUMNS.map(([field, { as }]) =>
    stored(
      records.map((record) => record[field]),
      STORAGE[as],
    ),
  );
  await client.query(INSERT, [...values, nameText(worker)]);
}

/** Numbers become an array literal of PostgreSQL. Joining them costs a tenth of the time that `pg` needs to quote each number. */
function stored(values: readonly (string | number | null)[], storage: Storage): string | (string | null)[] {
  if (storage.type === 'text')
    return values.map((value) => (value === null ? null : storage.storable(value as string)));
  return `{${values.map((value) => (value === null ? 'NULL' : storage.storable(value as number))).join(',')}}`;
}

/** The number of all attempt rows. Slow: reads the whole table. */
export async function countAttempts(pool: pg.Pool): Promise<number> {
  const { rows } = await pool.query<{ rows: string }>(COUNT);
  return Number(rows[0]!.rows);
}
