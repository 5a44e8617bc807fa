/**
 * How far those that come late may catch up, in milliseconds. Longer than the time between two looks at a queue (50 ms):
 * what is lost between them is lost for good, half of a rate of 20 a second.
 */
const BURST_MS = 75;

/**
 * A rate: so many a second, evenly, with bursts of at most what comes in 75 ms, and one more.
 * Times in milliseconds, on the caller's clock.
 */
export class RateLimiter {
  readonly #intervalMs: number;
  /** When the allowance would be whole again. */
  #theoreticalArrivalAt = Number.NEGATIVE_INFINITY;

  /** @param perSecond Above 0; 0.1 is one in ten seconds. */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  /** From when on the next one is allowed. */
  get nextAt(): number {
    return this.#theoreticalArrivalAt - BURST_MS;
  }

  /** How many are allowed now. */
  available(now: number): number {
    if (now < this.nextAt) return 0;
    return 1 + Math.floor((now - Math.max(this.nextAt, now - BURST_MS)) / this.#intervalMs);
  }

  take(now: number): void {
    this.#theoreticalArrivalAt = Math.max(this.#theoreticalArrivalAt, now) + this.#intervalMs;
  }
}
