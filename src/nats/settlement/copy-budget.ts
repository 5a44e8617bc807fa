/** What is under way to the parked stream for messages of several endpoints, in bytes. */
const MAX_BYTES = 4 * 1024 * 1024;

type Failed = Exclude<ParkResult, 'parked'>;
type Waiting = { readonly bytes: number; start(failed: Failed | null): void };

/**
 * Bounds how much is copied at once: a message for a thousand endpoints would else be in memory a thousand times, and again
 * each time that NATS is late with its answers. What waits behind a copy that failed fails with it: there is one stream for all.
 */
export class ByteBudget {
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  /** Resolves when it may begin, to null, or to why it need not. One alone always may, whatever its size. */
  acquire(bytes: number): Promise<Failed | null> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, start: resolve });
      this.#next();
    });
  }

  /** One that had begun is over. */
  release(bytes: number, result: ParkResult): void {
    this.#bytes -= bytes;
    if (result !== 'parked') for (const { start } of this.#waiting.splice(0)) start(result);
    this.#next();
  }

  #next(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || (this.#bytes > 0 && this.#bytes + first.bytes > MAX_BYTES)) return;
      this.#waiting.shift();
      this.#bytes += first.bytes;
      first.start(null);
    }
  }
}

export type ParkResult =
  /** The copy is stored. */
  | 'parked'
  /** The source is as it was: nothing was said of it. A sentence with the cure, for the log. */
  | { readonly failed: string };
