import type pg from 'pg';
import type { OutboxRow } from '../core/outbox/outbox-row.ts';
import type { RowOutcome } from '../core/outbox/publish-outcome.ts';
import { failpoint } from '../runtime/failpoint.ts';
import { inTransaction, type TransactionOptions } from './connection/transaction.ts';
import {
  type ClaimedRow,
  type ClaimFilter,
  claimUnordered,
  deletePublished,
  lockBuckets,
  readBuckets,
  setAside,
} from './tables/outbox-table.ts';

/** Fewer rows of one bucket cost more looks than they save. */
const FEWEST_OF_BUCKET = 16;

const STATEMENT_TIMEOUT_MS = 30_000;
/**
 * The rows of a relay that is stopped or lost are free after `idleTimeoutMs`; longer than a batch waits for NATS. The table is empty
 * most of the time, so the planner may think that reading it whole is cheap, also where it is full of dead rows.
 */
const TRANSACTION: TransactionOptions = { idleTimeoutMs: 15_000, settings: 'SET LOCAL enable_seqscan = off' };

const published = failpoint('outbox.published');
const settled = failpoint('outbox.settled');
const committed = failpoint('outbox.committed');

type Publish = (rows: readonly OutboxRow[]) => Promise<readonly RowOutcome[]>;
type SettledRow = { readonly row: ClaimedRow; readonly bucket: number; readonly outcome: RowOutcome };

export type OutboxStoreOptions = {
  readonly pool: pg.Pool;
  /** Which rows get a row in `rule_nats_publish_history`. OUTBOX_HISTORY. */
  readonly history: 'all' | 'failures' | 'off';
  /** Called if the messages of these rows are stored in NATS, and the transaction failed. */
  onUnconfirmed(messages: number): void;
};

/** The outbox of one database: what the stage `outbox` asks of its store. */
export function createOutboxStore({ pool, history, onUnconfirmed }: OutboxStoreOptions) {
  async function settle(
    claim: (client: pg.PoolClient) => Promise<readonly ClaimedRow[]>,
    publish: Publish,
  ): Promise<readonly SettledRow[]> {
    let stored = 0;
    try {
      const done = await inTransaction(
        pool,
        async (client) => {
          const rows = await claim(client);
          if (rows.length === 0) return [];
          const outcomes = await publish(rows);
          stored = outcomes.filter(({ kind }) => kind === 'published').length;
          published();
          const all = rows.map((row, index) => ({ row, bucket: row.bucket, outcome: outcomes[index]! }));
          await write(client, all);
          settled();
          return all;
        },
        STATEMENT_TIMEOUT_MS,
        TRANSACTION,
      );
      if (done.length > 0) committed();
      return done;
    } catch (error) {
      if (stored > 0) onUnconfirmed(stored);
      throw error;
    }
  }

  async function write(client: pg.PoolClient, rows: readonly SettledRow[]): Promise<void> {
    const done = rows.flatMap(({ row: { id }, outcome }) =>
      outcome.kind === 'published' ? [{ id, ...outcome }] : [],
    );
    const failed = rows.flatMap(({ row: { id }, outcome }) =>
      outcome.kind === 'failed' ? [{ id, ...outcome }] : [],
    );
    await deletePublished(client, done, history === 'all');
    await setAside(client, failed, history !== 'off');
  }

  return {
    settleUnordered(
      { most, leaveOut, afterId }: { most: number; leaveOut: ClaimFilter; afterId: number },
      publish: Publish,
    ): Promise<readonly SettledRow[]> {
      return settle((client) => claimUnordered(client, leaveOut, afterId, most), publish);
    },
    settleOrdered(
      { most, afterIds }: { most: number; afterIds: readonly number[] },
      publish: Publish,
    ): Promise<readonly SettledRow[]> {
      return settle(async (client) => {
        const buckets = await lockBuckets(client, afterIds);
        if (buckets.length === 0) return [];
        const mostOfEach = Math.min(most, Math.max(FEWEST_OF_BUCKET, Math.ceil(most / buckets.length)));
        return readBuckets(client, buckets, mostOfEach);
      }, publish);
    },
  };
}
