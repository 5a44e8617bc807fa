import type { QueueConsumer } from './admission/tracked-endpoint.ts';

/** The hint for a queue that cannot be listed or opened. */
export const READ_AGAIN = 'The worker tries again by itself. If this lasts, look at the log of nats-server.';

/** Where the messages of one queue go. */
export type QueueSink<M> = {
  /** How many messages may come now. */
  capacity(): number;
  onMessage(message: M): void;
};

/** Queues with a consumer: queues that are being opened, open queues, and queues that are being closed. */
export class QueuePool<O extends { readonly consumer: QueueConsumer }> {
  readonly #opening = new Set<string>();
  readonly #open = new Map<string, O>();
  readonly #closing = new Set<Promise<void>>();

  /** How many queues are open or being opened. */
  get size(): number {
    return this.#open.size + this.#opening.size;
  }

  /** How many queues are being opened. */
  get opening(): number {
    return this.#opening.size;
  }

  /** True if the queue is open or being opened. */
  has(queue: string): boolean {
    return this.#open.has(queue) || this.#opening.has(queue);
  }

  /** Undefined if the queue is not open. */
  get(queue: string): O | undefined {
    return this.#open.get(queue);
  }

  /** All open queues. */
  values(): Iterable<O> {
    return this.#open.values();
  }

  /**
   * Opens a queue, and counts it as being opened meanwhile.
   *
   * @param open Resolves to null if the queue cannot be opened now.
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

  /** Stops the consumer of the queue. The queue may be opened again at once. */
  close(queue: string): void {
    const open = this.#open.get(queue);
    if (open === undefined) return;
    this.#open.delete(queue);
    const closing = open.consumer.stop().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  /** Resolves when the consumers of all closed queues have stopped. */
  async closed(): Promise<void> {
    await Promise.all(this.#closing);
  }
}
