import type { RowOutcome } from '../core/outbox/publish-outcome.ts';
import type { Holds } from './holds.ts';
import type { Batch, BatchRequest, OutboxStore, PublishRows, SettledRow, WorkQueue } from './ports.ts';
import { noted } from './publish-rows.ts';

/** The rows without an ordering key. */
export class UnorderedQueue implements WorkQueue {
  readonly name = 'unordered';
  /** With more, PostgreSQL plans the statements another way, and a batch waits longer for its slowest row. */
  readonly mostRows = 500;
  readonly #store: OutboxStore;
  readonly #publish: PublishRows;
  readonly #holds: Pick<Holds, 'leaveOut' | 'holdName'>;
  /** No row with a lower id waits that was visible at the last look, except those of batches that are under way. */
  #afterId = 0;
  /** Batches that left rows behind. */
  #setbacks = 0;

  constructor(store: OutboxStore, publish: PublishRows, holds: Pick<Holds, 'leaveOut' | 'holdName'>) {
    this.#store = store;
    this.#publish = publish;
    this.#holds = holds;
  }

  async settleBatch({ most, begin }: BatchRequest): Promise<Batch> {
    const look = begin();
    const leaveOut = this.#holds.leaveOut();
    const claim = {
      afterId: look.isFull ? 0 : this.#afterId,
      most: Math.min(most, this.mostRows),
      leaveOut,
    };
    const setbacks = this.#setbacks;
    // The next batch may begin before it is known what became of this one.
    const publish: PublishRows = (rows) => {
      if (this.#setbacks === setbacks) this.#afterId = rows.at(-1)!.id;
      return this.#publish(rows);
    };
    try {
      const settled = await this.#store.settleUnordered(claim, noted(publish, look));
      if (settled.length === 0) look.onClaimed(0);
      if (!settled.every(({ outcome: { kind } }) => kind === 'published' || kind === 'failed'))
        this.#setBack();
      const outcomes = settled.map((each) => this.#withHold(each));
      const leavesOut = leaveOut.envelopeLike || leaveOut.headersOfData || leaveOut.names.length > 0;
      return { isFull: look.isFull, leavesOut, outcomes };
    } catch (error) {
      this.#setBack();
      throw error;
    }
  }

  /** The next look begins at the first row. */
  #setBack(): void {
    this.#afterId = 0;
    this.#setbacks += 1;
  }

  /** Where only the name has trouble, rows of other names go on. */
  #withHold({ row, outcome }: SettledRow): RowOutcome {
    if (outcome.kind !== 'left' || outcome.scope === 'all') return outcome;
    return this.#holds.holdName(row.name, outcome.trouble) ? outcome : { ...outcome, scope: 'all' };
  }
}
