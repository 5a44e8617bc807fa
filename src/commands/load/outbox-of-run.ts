import type pg from 'pg';
import { countWaitingRows, readRowsLeft } from '../../postgres/tables/outbox-writer.ts';

/** The rows of a run in the outbox. */
export interface OutboxOfRun {
  /** How many rows wait. Null: unknown. */
  waiting(): Promise<number | null>;
  /** What is known of the rows that are still there, by the id of the delivery. */
  fates(): Promise<ReadonlyMap<string, string>>;
}

/** What is known of a row that no relay has published. */
export const WAITS = 'row of the outbox that waits for a relay';

/** How many rows are read at most. */
const ROWS_READ = 20_000;

/** @param prefix What all ids of the run start with. */
export function outboxOfRun(pool: pg.Pool, prefix: string): OutboxOfRun {
  return {
    // A role that may only enqueue cannot read the table, and PostgreSQL may be away.
    waiting: () => countWaitingRows(pool, prefix).catch(() => null),
    async fates() {
      const rows = await readRowsLeft(pool, prefix, ROWS_READ).catch(() => []);
      return new Map(
        rows.map(({ messageId, error }) => [
          messageId,
          error === null ? WAITS : `row of the outbox that NATS refuses: ${error}`,
        ]),
      );
    },
  };
}
