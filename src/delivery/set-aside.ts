/** Wait before a message that was set aside is taken up again, in milliseconds; doubled each time, and never in step with others. */
const WAIT_MS = { first: 2000, most: 15_000 };

/** What one takes in memory beside the bytes of its headers and data: more than a small message itself. */
const BESIDE_BYTES = 2048;

export type SetAsideOptions<M> = {
  /** How much is kept, in bytes. SET_ASIDE_BYTES. */
  readonly mostBytes: number;
  /** Takes a message up again. */
  again(message: M): void;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/**
 * Messages that have no room at their endpoint, and none in its queue either, since that is full; and those that wait for
 * news of their endpoint. They are kept unsettled, outside the slots, and taken up again now and then, or when the news is
 * there: handing them back would count as an attempt, and they would come round and round.
 */
export class SetAside<M extends { readonly size: number }> {
  readonly #options: SetAsideOptions<M>;
  readonly #kept = new Map<M, NodeJS.Timeout | null>();
  readonly #times = new WeakMap<M, number>();
  #bytes = 0;

  constructor(options: SetAsideOptions<M>) {
    this.#options = options;
  }

  /** How many are kept now. */
  get count(): number {
    return this.#kept.size;
  }

  /** @returns False where there is no place for it. */
  keep(message: M): boolean {
    if (!this.#hasPlaceFor(message)) return false;
    const times = this.#times.get(message) ?? 0;
    this.#times.set(message, times + 1);
    const waitMs = Math.min(WAIT_MS.most, WAIT_MS.first * 2 ** times) * (0.5 + this.#options.random());
    this.#add(
      message,
      setTimeout(() => this.#takeUp(message), waitMs),
    );
    return true;
  }

  /** Keeps it until there is `news`, which must resolve. @returns False where there is no place for it. */
  keepUntil(message: M, news: Promise<unknown>): boolean {
    if (!this.#hasPlaceFor(message)) return false;
    this.#add(message, null);
    void news.then(() => this.#takeUp(message));
    return true;
  }

  /** Gives up all of them: nobody takes them up any more. */
  release(): M[] {
    const messages = [...this.#kept.keys()];
    for (const timer of this.#kept.values()) clearTimeout(timer ?? undefined);
    this.#kept.clear();
    this.#bytes = 0;
    return messages;
  }

  #hasPlaceFor(message: M): boolean {
    return this.#bytes + costOf(message) <= this.#options.mostBytes;
  }

  #add(message: M, timer: NodeJS.Timeout | null): void {
    this.#bytes += costOf(message);
    this.#kept.set(message, timer);
  }

  #takeUp(message: M): void {
    // Given up meanwhile.
    if (!this.#kept.delete(message)) return;
    this.#bytes -= costOf(message);
    this.#options.again(message);
  }
}

function costOf({ size }: { readonly size: number }): number {
  return size + BESIDE_BYTES;
}
