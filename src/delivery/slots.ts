import pLimit from 'p-limit';

/**
 * Room for attempts. A message is taken only into a free slot, and has it until its hand-out is settled, so that
 * nothing ever waits here while its ack wait runs.
 */
export class Slots<M> {
  readonly #limit;
  readonly #concurrency: number;
  readonly #handle: (message: M) => Promise<void>;
  readonly #onFreed: () => void;
  #idleListeners: (() => void)[] = [];

  /**
   * @param handle The journey of one message. Must not reject.
   * @param onFreed Called whenever a slot became free.
   */
  constructor(concurrency: number, handle: (message: M) => Promise<void>, onFreed: () => void) {
    this.#limit = pLimit(concurrency);
    this.#concurrency = concurrency;
    this.#handle = handle;
    this.#onFreed = onFreed;
  }

  free(): number {
    return this.#concurrency - this.busy();
  }

  busy(): number {
    return this.#limit.activeCount + this.#limit.pendingCount;
  }

  /** Resolves when its hand-out is settled. */
  async run(message: M): Promise<void> {
    await this.#limit(this.#handle, message);
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
    this.#onFreed();
    if (this.busy() > 0) return;
    for (const wake of this.#idleListeners) wake();
    this.#idleListeners = [];
  }
}
