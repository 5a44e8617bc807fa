/** Bounds the requests in memory by their number and by the bytes of their bodies. */
export class MemoryBound {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #count = 0;
  #bytes = 0;

  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** @returns What gives the place back, also if it is called twice. Null: there is no place. A single large request always has one. */
  take(bytes: number): (() => void) | null {
    if (this.#count >= this.#maxCount) return null;
    if (this.#count > 0 && this.#bytes + bytes > this.#maxBytes) return null;
    this.#count += 1;
    this.#bytes += bytes;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      this.#count -= 1;
      this.#bytes -= bytes;
    };
  }
}
