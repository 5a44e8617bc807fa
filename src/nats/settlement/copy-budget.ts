/** The most bytes of fan-out copies that are being stored in the parked stream at once. Further copies wait. */
const MAX_BYTES = 4 * 1024 * 1024;

type Failed = Exclude<ParkResult, 'parked'>;
type Waiting = { readonly bytes: number; start(failed: Failed | null): void };

/**
 * Limits the bytes that are copied at once. Without the limit, a message for a thousand endpoints would be in memory a thousand
 * times, and again whenever NATS answers late. If a copy fails, every waiting copy fails with it, because all go to the same
 * stream.
 */
export class ByteBudget {
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  /**
   * Resolves to null when the copy may start, or to the failure of an earlier copy. A single copy may always start, whatever
   * its size.
   */
  acquire(bytes: number): Promise<Failed | null> {
    return new Promise((resolve) => {
      this.#waiting.push({ bytes, start: resolve });
      this.#next();
    });
  }

  /** Called when a copy that was allowed to start is over. */
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
  /** The copy is not stored, and the source is neither acked nor nak'd. `failed`: a sentence with the cure, for the log. */
  | { readonly failed: string };
