import type pg from 'pg';
import { costOf, type RefusedRows } from '../core/records/refusal.ts';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import { withinSavepoint } from './connection/savepoint.ts';

/**
 * The most refused statements of one table and flush. To find one bad row among N takes 2 log2(N) statements. Beyond this number,
 * a part that is refused is dropped as a whole. Too low: many bad rows cost good rows. Too high: where a table refuses every row,
 * each flush takes long.
 */
const MOST_REFUSALS = 256;

/**
 * The most rows of one statement. Below it, one statement writes all rows of a table. Above it, several do, so that a table
 * without rights refuses a small statement, and not all rows that wait.
 */
const MOST_ROWS = 5000;

/** How rows are written within the transaction of a flush. */
export type Writer = {
  /**
   * @param groups Rows that may be refused together, such as the rows of one partition.
   * @returns The rows that wait for a right.
   */
  write<R>(
    table: string,
    groups: readonly Group<R>[],
    insert: (rows: readonly R[]) => Promise<void>,
  ): Promise<readonly R[]>;
  /** A statement without rows of the flush: the next flush does the same again. Resolves to why it was refused; null: it was not. */
  run(table: string, work: () => Promise<void>): Promise<Refusal | null>;
  /** What PostgreSQL refused so far. */
  readonly refused: readonly RefusedRows[];
  /** The message about the first missing right; null: none. */
  readonly missingRight: string | null;
};

export type Group<R> = {
  readonly rows: readonly R[];
  /** False: if one row is refused, all are. */
  readonly isDivisible: boolean;
  /** The partition of these rows cannot be created without this right: where they are refused, they wait. */
  readonly missingRight?: string | undefined;
};

export type Refusal = Pick<RefusedRows, 'code' | 'error'>;

/** Writes everything, and throws the first error: the fast way, for nearly all flushes. */
export const ALL_OR_NOTHING: Writer = {
  async write(_table, groups, insert) {
    const rows = groups.flatMap((group) => group.rows);
    for (let from = 0; from < rows.length; from += MOST_ROWS)
      await insert(rows.slice(from, from + MOST_ROWS));
    return [];
  },
  async run(_table, work) {
    await work();
    return null;
  },
  refused: [],
  missingRight: null,
};

/**
 * Writes what PostgreSQL accepts. A part that is refused is halved, level by level, until the bad rows are alone. An error that
 * costs nothing is thrown: the whole flush is sent again later.
 */
export function acceptedOnly(client: pg.PoolClient): Writer {
  const refused: RefusedRows[] = [];
  let missingRight: string | null = null;

  /** Null if the work was done. @throws An error that costs nothing. */
  async function refusalOf(work: () => Promise<void>): Promise<Refusal | null> {
    try {
      await withinSavepoint(client, work);
      return null;
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined || costOf(code) === 'nothing') throw error;
      return { code, error: errorMessage(error) };
    }
  }

  return {
    refused,
    get missingRight() {
      return missingRight;
    },
    async write<R>(
      table: string,
      groups: readonly Group<R>[],
      insert: (rows: readonly R[]) => Promise<void>,
    ): Promise<readonly R[]> {
      const queue = groups.flatMap(inStatements);
      const waiting: R[] = [];
      let refusals = 0;
      let first: Refusal | null = null;
      let dropped = 0;
      // A queue, and no recursion: where the refusals run out, all parts are about equally small.
      for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
        const { rows, isDivisible } = part;
        const refusal = await refusalOf(() => insert(rows));
        if (refusal === null) continue;
        if (costOf(refusal.code) === 'wait') {
          // Every other statement would lack the same right.
          missingRight ??= refusal.error;
          for (const { rows: others } of [part, ...queue]) waiting.push(...others);
          break;
        }
        if (part.missingRight !== undefined) {
          missingRight ??= part.missingRight;
          waiting.push(...rows);
          continue;
        }
        refusals += 1;
        const isOver = refusals > MOST_REFUSALS || costOf(refusal.code) === 'table';
        if (isOver || !isDivisible || rows.length === 1) {
          first ??= refusal;
          dropped += rows.length;
          continue;
        }
        const middle = Math.ceil(rows.length / 2);
        queue.push({ rows: rows.slice(0, middle), isDivisible }, { rows: rows.slice(middle), isDivisible });
      }
      if (first !== null) refused.push({ table, rows: dropped, ...first });
      return waiting;
    },
    async run(table, work) {
      const refusal = await refusalOf(work);
      if (refusal === null) return null;
      if (costOf(refusal.code) === 'wait') missingRight ??= refusal.error;
      else refused.push({ table, rows: 0, ...refusal });
      return refusal;
    },
  };
}

function inStatements<R>(group: Group<R>): Group<R>[] {
  const parts: Group<R>[] = [];
  for (let from = 0; from < group.rows.length; from += MOST_ROWS)
    parts.push({ ...group, rows: group.rows.slice(from, from + MOST_ROWS) });
  return parts;
}
