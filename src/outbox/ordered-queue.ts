import type { Holds } from './holds.ts';
import type { Batch, BatchRequest, OutboxStore, PublishRows, WorkQueue } from './ports.ts';
import { noted } from './publish-rows.ts';

/** The ordering keys share so many buckets. One relay at a time holds a bucket. The trigger of the table computes it. */
export const BUCKETS = 64;

/** The rows with an ordering key. */
export class OrderedQueue implements WorkQueue {
  readonly name = 'ordered';
  /** Over all buckets. */
  readonly mostRows = 1000;
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

  async settleBatch({ most, begin }: BatchRequest): Promise<Batch> {
    const look = begin();
    const { isFull } = look;
    const leaveOut = this.#holds.leaveOutOfOrdered();
    if (leaveOut === null) return { isFull, leavesOut: true, outcomes: [] };
    const afterIds = isFull ? new Array<number>(BUCKETS).fill(0) : [...this.#afterIds];
    // Until it is known what became of the batch, the next look begins at the first rows.
    this.#afterIds.fill(0);
    const claim = { afterIds, most: Math.min(most, this.mostRows), leaveOut };
    const settled = await this.#store.settleOrdered(claim, noted(this.#publish, look));
    if (settled.length === 0) look.onClaimed(0);
    for (const [bucket, afterId] of afterIds.entries()) this.#afterIds[bucket] = afterId;
    const stopped = new Set<number>();
    for (const { row, bucket, outcome } of settled) {
      if (outcome.kind === 'left' || outcome.kind === 'notTried') stopped.add(bucket);
      if (!stopped.has(bucket)) this.#afterIds[bucket] = row.id;
    }
    const outcomes = settled.map(({ outcome }) =>
      outcome.kind === 'left' ? ({ ...outcome, scope: 'all' } as const) : outcome,
    );
    return { isFull, leavesOut: false, outcomes };
  }
}
