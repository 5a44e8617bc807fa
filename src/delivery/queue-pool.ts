import type { Drain } from './admission/tracked-endpoint.ts';

/** What a drain asks, and tells. */
export type DrainOwner = {
  /** How many messages may come now. */
  free(): number;
  /** One came; `pending` more are to be handed out after it. */
  came(pending: number): void;
};

/** The queues that are pulled from, each by a drain: those being opened, those open, and those whose drain is being ended. */
export class OpenQueues<O extends { readonly drain: Drain }> {
  readonly #opening = new Set<string>();
  readonly #open = new Map<string, O>();
  readonly #ending = new Set<Promise<void>>();

  /** How many are open, or being opened. */
  get size(): number {
    return this.#open.size + this.#opening.size;
  }

  /** How many are being opened. */
  get opening(): number {
    return this.#opening.size;
  }

  /** Whether it is open, or being opened. */
  has(queue: string): boolean {
    return this.#open.has(queue) || this.#opening.has(queue);
  }

  /** Undefined where it is not open. */
  get(queue: string): O | undefined {
    return this.#open.get(queue);
  }

  /** Those that are open. */
  all(): Iterable<O> {
    return this.#open.values();
  }

  /**
   * Counts it as being opened until `open` is over.
   *
   * @param open Resolves to null where it cannot be opened now.
   */
  async begin(queue: string, open: () => Promise<O | null>): Promise<O | null> {
    this.#opening.add(queue);
    try {
      const opened = await open();
      if (opened !== null) this.#open.set(queue, opened);
      return opened;
    } finally {
      this.#opening.delete(queue);
    }
  }

  /** Its drain takes nothing more; another one may be opened at once. */
  end(queue: string): void {
    const open = this.#open.get(queue);
    if (open === undefined) return;
    this.#open.delete(queue);
    const ending = open.drain.stop().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  /** Resolves when all that were ended take nothing any more. */
  async ended(): Promise<void> {
    await Promise.all(this.#ending);
  }
}
