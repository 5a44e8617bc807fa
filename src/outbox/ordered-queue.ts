import type { RowOutcome } from '../core/outbox/publish-outcome.ts';
import type { Holds } from './holds.ts';
import type { OutboxStore, PublishRows, WorkQueue } from './ports.ts';
import { noted } from './publish-rows.ts';

/** The ordering keys share so many buckets. One relay at a time holds a bucket. The trigger of the table computes it. */
export const BUCKETS = 64;
/** The most rows of a batch, over all buckets. */
const MOST_ROWS = 1000;

/** The rows with an ordering key. */
export class OrderedQueue implements WorkQueue {
  readonly name = 'ordered';
  readonly #store: OutboxStore;
  readonly #publish: PublishRows;
  readonly #holds: Pick<Holds, 'leaveOutOfOrdered'>;
  /** For each bucket: no row with a lower id waits that was visible at the last look. */
  readonly #afterIds: number[] = new Array(BUCKETS).fill(0);

  constructor(store: OutboxStore, publish: PublishRows, holds: Pick<Holds, 'leaveOutOfOrdered'>) {
    this.#store = store;
    this.#publish = publish;
    this.#holds = holds;
  }

  async settleBatch(isFull: boolean, most: number, onClaimed: () => void): Promise<readonly RowOutcome[]> {
    const leaveOut = this.#holds.leaveOutOfOrdered();
    if (leaveOut === null) return [];
    const afterIds = isFull ? new Array<number>(BUCKETS).fill(0) : [...this.#afterIds];
    // Until it is known what became of the batch, the next look begins at the first rows.
    this.#afterIds.fill(0);
    const claim = { afterIds, most: Math.min(most, MOST_ROWS), leaveOut };
    const settled = await this.#store.settleOrdered(claim, noted(this.#publish, onClaimed));
    for (const [bucket, afterId] of afterIds.entries()) this.#afterIds[bucket] = afterId;
    const stopped = new Set<number>();
    for (const { row, bucket, outcome } of settled) {
      if (outcome.kind === 'left' || outcome.kind === 'notTried') stopped.add(bucket);
      if (!stopped.has(bucket)) this.#afterIds[bucket] = row.id;
    }
    return settled.map(({ outcome }) => (outcome.kind === 'left' ? { ...outcome, scope: 'all' } : outcome));
  }
}
