import type { QueueConsumer } from './admission/tracked-endpoint.ts';

/** The hint for a queue that cannot be listed or opened. */
export const READ_AGAIN = 'The worker tries again by itself. If this lasts, look at the log of nats-server.';

/** Where the messages of one queue go. */
export type QueueSink<M> = {
  /** How many messages may come now. */
  capacity(): number;
  onMessage(message: M): void;
};

/** The queues that are pulled from, each by a drain: those being opened, those open, and those whose drain is being ended. */
export class QueuePool<O extends { readonly consumer: QueueConsumer }> {
  readonly #opening = new Set<string>();
  readonly #open = new Map<string, O>();
  readonly #closing = new Set<Promise<void>>();

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
  values(): Iterable<O> {
    return this.#open.values();
  }

  /**
   * Counts it as being opened until `open` is over.
   *
   * @param open Resolves to null where it cannot be opened now.
   */
  async open(queue: string, open: () => Promise<O | null>): Promise<O | null> {
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
  close(queue: string): void {
    const open = this.#open.get(queue);
    if (open === undefined) return;
    this.#open.delete(queue);
    const closing = open.consumer.stop().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Resolves when all that were ended take nothing any more. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }
}
