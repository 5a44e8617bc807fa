import type { RowOutcome } from '../core/outbox/publish-outcome.ts';
import type { Holds } from './holds.ts';
import type { OutboxStore, PublishRows, SettledRow, WorkQueue } from './ports.ts';
import { noted } from './publish-rows.ts';

/** The most rows of a batch. With more, PostgreSQL plans the statements another way, and a batch waits longer for its slowest row. */
const MOST_ROWS = 500;

/** The rows without an ordering key. */
export class UnorderedQueue implements WorkQueue {
  readonly name = 'unordered';
  readonly #store: OutboxStore;
  readonly #publish: PublishRows;
  readonly #holds: Pick<Holds, 'leaveOut' | 'holdName'>;
  /** No row with a lower id waits that was visible at the last look. */
  #afterId = 0;

  constructor(store: OutboxStore, publish: PublishRows, holds: Pick<Holds, 'leaveOut' | 'holdName'>) {
    this.#store = store;
    this.#publish = publish;
    this.#holds = holds;
  }

  async settleBatch(isFull: boolean, most: number, onClaimed: () => void): Promise<readonly RowOutcome[]> {
    const afterId = isFull ? 0 : this.#afterId;
    // Until it is known what became of the batch, the next look begins at the first row.
    this.#afterId = 0;
    const claim = { afterId, most: Math.min(most, MOST_ROWS), leaveOut: this.#holds.leaveOut() };
    const settled = await this.#store.settleUnordered(claim, noted(this.#publish, onClaimed));
    const isClear = settled.every(({ outcome: { kind } }) => kind === 'published' || kind === 'failed');
    this.#afterId = isClear ? (settled.at(-1)?.row.id ?? afterId) : 0;
    return settled.map((each) => this.#withHold(each));
  }

  /** Where only the name has trouble, rows of other names go on. */
  #withHold({ row, outcome }: SettledRow): RowOutcome {
    if (outcome.kind !== 'left' || outcome.scope === 'all') return outcome;
    return this.#holds.holdName(row.name, outcome.trouble) ? outcome : { ...outcome, scope: 'all' };
  }
}
