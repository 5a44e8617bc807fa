/** Memory of a message besides its headers and data, in bytes. For a small message, this is the larger part. */
const OVERHEAD_BYTES = 2048;

type Sized = { readonly size: number };

/** Limits the memory of unsettled messages that wait outside the slots. */
export class MemoryBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  /** @param maxBytes DEFERRED_BYTES. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  fits(message: Sized): boolean {
    return this.#usedBytes + heapBytes(message) <= this.#maxBytes;
  }

  take(message: Sized): void {
    this.#usedBytes += heapBytes(message);
  }

  giveBack(message: Sized): void {
    this.#usedBytes -= heapBytes(message);
  }
}

function heapBytes({ size }: Sized): number {
  return size + OVERHEAD_BYTES;
}
