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

/** How rows are written within the transaction of a flush. */
export type Writer = {
  /** @param groups Rows that may be refused together, such as the rows of one partition. */
  write<R>(
    table: string,
    groups: readonly Group<R>[],
    insert: (rows: readonly R[]) => Promise<void>,
  ): Promise<void>;
  /** A statement without rows of the flush: the next flush does the same again. */
  run(table: string, work: () => Promise<void>): Promise<void>;
  /** What PostgreSQL refused so far. */
  readonly refused: readonly RefusedRows[];
};

export type Group<R> = {
  readonly rows: readonly R[];
  /** False: if one row is refused, all are. */
  readonly isDivisible: boolean;
};

type Refusal = Pick<RefusedRows, 'code' | 'error'>;

/** Writes everything, and throws the first error: the fast way, for nearly all flushes. */
export const ALL_OR_NOTHING: Writer = {
  async write(_table, groups, insert) {
    const rows = groups.flatMap((group) => group.rows);
    if (rows.length > 0) await insert(rows);
  },
  run: (_table, work) => work(),
  refused: [],
};

/**
 * Writes what PostgreSQL accepts. A part that is refused is halved, level by level, until the bad rows are alone. An error that
 * costs nothing is thrown: the whole flush is sent again later.
 */
export function acceptedOnly(client: pg.PoolClient): Writer {
  const refused: RefusedRows[] = [];

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
    async write(table, groups, insert) {
      const queue = groups.filter(({ rows }) => rows.length > 0);
      let refusals = 0;
      let first: Refusal | null = null;
      let dropped = 0;
      // A queue, and no recursion: where the refusals run out, all parts are about equally small.
      for (let part = queue.shift(); part !== undefined; part = queue.shift()) {
        const { rows, isDivisible } = part;
        const refusal = await refusalOf(() => insert(rows));
        if (refusal === null) continue;
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
    },
    async run(table, work) {
      const refusal = await refusalOf(work);
      if (refusal !== null) refused.push({ table, rows: 0, ...refusal });
    },
  };
}
