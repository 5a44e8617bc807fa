/** How much of a second's allowance may be used at once. */
const BURST_S = 0.05;

/**
 * A rate: so many a second, evenly, with bursts of at most a twentieth of a second's allowance, and of one at least.
 * Times in milliseconds, on the caller's clock.
 */
export class Rate {
  readonly #intervalMs: number;
  readonly #burstMs: number;
  /** When the allowance would be whole again. */
  #wholeAt = Number.NEGATIVE_INFINITY;

  /** @param perSecond Above 0; 0.1 is one in ten seconds. */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
    this.#burstMs = Math.max(0, 1000 * BURST_S - this.#intervalMs);
  }

  /** From when on the next one is allowed. */
  get nextAt(): number {
    return this.#wholeAt - this.#burstMs;
  }

  /** How many are allowed now. */
  allowed(now: number): number {
    if (now < this.nextAt) return 0;
    return 1 + Math.floor((now - Math.max(this.nextAt, now - this.#burstMs)) / this.#intervalMs);
  }

  use(now: number): void {
    this.#wholeAt = Math.max(this.#wholeAt, now) + this.#intervalMs;
  }
}
