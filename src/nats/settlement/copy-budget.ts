/** What is under way to the parked stream for messages of several endpoints, in bytes. */
const MOST_BYTES = 4 * 1024 * 1024;

type Failed = Exclude<Parked, 'parked'>;
type Waiting = { readonly bytes: number; begin(failed: Failed | null): void };

/**
 * Bounds how much is copied at once: a message for a thousand endpoints would else be in memory a thousand times, and again
 * each time that NATS is late with its answers. What waits behind a copy that failed fails with it: there is one stream for all.
 */
export class CopyTurns {
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  /** Resolves when it may begin, to null, or to why it need not. One alone always may, whatever its size. */
  enter(bytes: number): Promise<Failed | null> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, begin: resolve });
      this.#next();
    });
  }

  /** One that had begun is over. */
  leave(bytes: number, result: Parked): void {
    this.#bytes -= bytes;
    if (result !== 'parked') for (const { begin } of this.#waiting.splice(0)) begin(result);
    this.#next();
  }

  #next(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || (this.#bytes > 0 && this.#bytes + first.bytes > MOST_BYTES)) return;
      this.#waiting.shift();
      this.#bytes += first.bytes;
      first.begin(null);
    }
  }
}

export type Parked =
  /** The copy is stored. */
  | 'parked'
  /** The source is as it was: nothing was said of it. A sentence with the cure, for the log. */
  | { readonly failed: string };
