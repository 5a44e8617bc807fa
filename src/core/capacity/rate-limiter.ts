/**
 * How far those that come late may catch up, in milliseconds. Longer than the time between two looks at a queue (50 ms):
 * what is lost between them is lost for good, half of a rate of 20 a second.
 */
const CATCH_UP_MS = 75;

/**
 * A rate: so many a second, evenly, with bursts of at most what comes in 75 ms, and one more.
 * Times in milliseconds, on the caller's clock.
 */
export class Rate {
  readonly #intervalMs: number;
  /** When the allowance would be whole again. */
  #wholeAt = Number.NEGATIVE_INFINITY;

  /** @param perSecond Above 0; 0.1 is one in ten seconds. */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  /** From when on the next one is allowed. */
  get nextAt(): number {
    return this.#wholeAt - CATCH_UP_MS;
  }

  /** How many are allowed now. */
  allowed(now: number): number {
    if (now < this.nextAt) return 0;
    return 1 + Math.floor((now - Math.max(this.nextAt, now - CATCH_UP_MS)) / this.#intervalMs);
  }

  use(now: number): void {
    this.#wholeAt = Math.max(this.#wholeAt, now) + this.#intervalMs;
  }
}
