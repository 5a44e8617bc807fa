/** Wait before a message that was set aside is taken up again, in milliseconds; doubled each time, and never in step with others. */
const WAIT_MS = { first: 2000, most: 15_000 };

export type SetAsideOptions<M> = {
  /** How much more may be kept, in bytes, as others leave it. SET_ASIDE_BYTES. */
  leftBytes(): number;
  /** Takes a message up again; resolves when that is over. */
  again(message: M): Promise<void>;
  /** How many are taken up at once when their news is there: all of a flood would keep everything else waiting. */
  readonly mostAtOnce: number;
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
  /** Of those kept: their news is there. */
  readonly #due = new Set<M>();
  #underWay = 0;
  #bytes = 0;

  constructor(options: SetAsideOptions<M>) {
    this.#options = options;
  }

  /** What those take in memory. */
  get bytes(): number {
    return this.#bytes;
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
      setTimeout(() => void this.#takeUp(message), waitMs),
    );
    return true;
  }

  /** Keeps it until there is `news`, which must resolve, and its turn has come. @returns False where there is no place for it. */
  keepUntil(message: M, news: Promise<unknown>): boolean {
    if (!this.#hasPlaceFor(message)) return false;
    this.#add(message, null);
    void news.then(() => {
      if (this.#kept.has(message)) this.#due.add(message);
      this.#takeUpDue();
    });
    return true;
  }

  /** Gives up all of them: nobody takes them up any more. */
  release(): M[] {
    const messages = [...this.#kept.keys()];
    for (const timer of this.#kept.values()) clearTimeout(timer ?? undefined);
    this.#kept.clear();
    this.#due.clear();
    this.#bytes = 0;
    return messages;
  }

  #hasPlaceFor(message: M): boolean {
    return memoryCost(message) <= this.#options.leftBytes();
  }

  #add(message: M, timer: NodeJS.Timeout | null): void {
    this.#bytes += memoryCost(message);
    this.#kept.set(message, timer);
  }

  #takeUpDue(): void {
    for (const message of this.#due) {
      if (this.#underWay >= this.#options.mostAtOnce) return;
      this.#due.delete(message);
      this.#underWay++;
      void this.#takeUp(message).then(() => {
        this.#underWay--;
        this.#takeUpDue();
      });
    }
  }

  async #takeUp(message: M): Promise<void> {
    // Given up meanwhile.
    if (!this.#kept.delete(message)) return;
    this.#bytes -= memoryCost(message);
    await this.#options.again(message);
  }
}

/** What a message takes in memory beside the bytes of its headers and data: more than a small one itself. */
const BESIDE_BYTES = 2048;

/** What it costs to keep a message, in bytes. */
export function memoryCost({ size }: { readonly size: number }): number {
  return size + BESIDE_BYTES;
}
