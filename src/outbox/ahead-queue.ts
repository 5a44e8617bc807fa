import type { Batch, BatchRequest, WorkQueue } from './ports.ts';

type Begun = {
  /** Whether as many rows were claimed as a batch may have. Stays open if the look fails. */
  readonly isFullBatch: Promise<boolean>;
  readonly settled: Promise<Batch>;
};

/**
 * A queue that claims its next batch while the last one is published, as long as batches are full. So PostgreSQL and NATS work at the
 * same time. At most two batches are under way.
 */
export class AheadQueue implements WorkQueue {
  readonly #queue: WorkQueue;
  #ahead: Begun | null = null;

  constructor(queue: WorkQueue) {
    this.#queue = queue;
  }

  get name(): string {
    return this.#queue.name;
  }

  get mostRows(): number {
    return this.#queue.mostRows;
  }

  get isAhead(): boolean {
    return this.#ahead !== null;
  }

  settleBatch(request: BatchRequest): Promise<Batch> {
    const begun = this.#ahead ?? this.#begin(request);
    this.#ahead = null;
    void begun.isFullBatch.then((isFull) => {
      if (isFull && request.mayGoAhead()) this.#ahead ??= this.#begin(request);
    });
    return begun.settled;
  }

  #begin(request: BatchRequest): Begun {
    let claimed: (isFull: boolean) => void;
    const isFullBatch = new Promise<boolean>((resolve) => {
      claimed = resolve;
    });
    const begin = () => {
      const look = request.begin();
      return {
        isFull: look.isFull,
        onClaimed: (rows: number) => {
          look.onClaimed(rows);
          claimed(rows === this.mostRows);
        },
      };
    };
    const settled = this.#queue.settleBatch({ ...request, begin });
    // Told to whoever asks for the batch.
    settled.catch(() => {});
    return { isFullBatch, settled };
  }
}
