import pLimit from 'p-limit';
import { Listeners } from '../runtime/listeners.ts';

/**
 * The attempts that may be in flight at once. A message is taken only into a free slot, and holds the slot until it is settled.
 * So no message waits for a slot in here while its ack wait runs.
 */
export class Slots {
  readonly #limit;
  readonly #concurrency: number;
  readonly #freed = new Listeners();
  #idleListeners: (() => void)[] = [];

  /** @param concurrency CONCURRENCY. */
  constructor(concurrency: number) {
    this.#limit = pLimit(concurrency);
    this.#concurrency = concurrency;
  }

  /** Adds a listener that is called whenever a slot becomes free. */
  onFreed(listener: () => void): void {
    this.#freed.add(listener);
  }

  free(): number {
    return this.#concurrency - this.busy();
  }

  busy(): number {
    return this.#limit.activeCount + this.#limit.pendingCount;
  }

  /** Holds a slot for as long as `work` takes, which must not reject. */
  async run(work: () => Promise<void>): Promise<void> {
    await this.#limit(work);
    queueMicrotask(() => this.#onFinished());
  }

  /** Resolves to true when no slot is busy any more, or to false after this many milliseconds. */
  whenIdle(withinMs: number): Promise<boolean> {
    if (this.busy() === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const giveUp = setTimeout(() => resolve(false), withinMs);
      this.#idleListeners.push(() => {
        clearTimeout(giveUp);
        resolve(true);
      });
    });
  }

  #onFinished(): void {
    this.#freed.call();
    if (this.busy() > 0) return;
    for (const wake of this.#idleListeners) wake();
    this.#idleListeners = [];
  }
}
