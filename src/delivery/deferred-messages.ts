import type { MemoryBudget } from './memory-budget.ts';

/** Wait before a message that was set aside is taken up again, in milliseconds; doubled each time, and never in step with others. */
const WAIT_MS = { first: 2000, max: 15_000 };

export type DeferredMessagesOptions = {
  /** Shared with the ordered messages that wait. DEFERRED_BYTES. */
  readonly budget: MemoryBudget;
  /** How many are taken up at once when their news is there: all of a flood would keep everything else waiting. */
  readonly maxResumedAtOnce: number;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/**
 * Messages that have no room at their endpoint, and none in its queue either, since that is full; and those that wait for
 * news of their endpoint. They are kept unsettled, outside the slots, and taken up again now and then, or when the news is
 * there: handing them back would count as an attempt, and they would come round and round.
 */
export class DeferredMessages<M extends { readonly size: number }> {
  readonly #options: DeferredMessagesOptions;
  readonly #deferred = new Map<M, NodeJS.Timeout | null>();
  readonly #times = new WeakMap<M, number>();
  /** Of those kept: their news is there. */
  readonly #due = new Set<M>();
  #sink: (message: M) => Promise<void> = async () => {};
  #underWay = 0;

  constructor(options: DeferredMessagesOptions) {
    this.#options = options;
  }

  /** @param sink Takes a message up again; resolves when that is over. */
  start(sink: (message: M) => Promise<void>): void {
    this.#sink = sink;
  }

  /** How many are kept now. */
  get count(): number {
    return this.#deferred.size;
  }

  /** @returns False where there is no place for it. */
  defer(message: M): boolean {
    if (!this.#fits(message)) return false;
    const times = this.#times.get(message) ?? 0;
    this.#times.set(message, times + 1);
    const waitMs = Math.min(WAIT_MS.max, WAIT_MS.first * 2 ** times) * (0.5 + this.#options.random());
    this.#add(
      message,
      setTimeout(() => void this.#resume(message), waitMs),
    );
    return true;
  }

  /** Keeps it until there is `news`, which must resolve, and its turn has come. @returns False where there is no place for it. */
  deferUntil(message: M, until: Promise<unknown>): boolean {
    if (!this.#fits(message)) return false;
    this.#add(message, null);
    void until.then(() => {
      if (this.#deferred.has(message)) this.#due.add(message);
      this.#resumeDue();
    });
    return true;
  }

  /** Gives up all of them: nobody takes them up any more. */
  takeAll(): M[] {
    const messages = [...this.#deferred.keys()];
    for (const timer of this.#deferred.values()) clearTimeout(timer ?? undefined);
    this.#deferred.clear();
    this.#due.clear();
    for (const message of messages) this.#options.budget.giveBack(message);
    return messages;
  }

  #fits(message: M): boolean {
    return this.#options.budget.fits(message);
  }

  #add(message: M, timer: NodeJS.Timeout | null): void {
    this.#options.budget.take(message);
    this.#deferred.set(message, timer);
  }

  #resumeDue(): void {
    for (const message of this.#due) {
      if (this.#underWay >= this.#options.maxResumedAtOnce) return;
      this.#due.delete(message);
      this.#underWay++;
      void this.#resume(message).then(() => {
        this.#underWay--;
        this.#resumeDue();
      });
    }
  }

  async #resume(message: M): Promise<void> {
    // Given up meanwhile.
    if (!this.#deferred.delete(message)) return;
    this.#options.budget.giveBack(message);
    await this.#sink(message);
  }
}
