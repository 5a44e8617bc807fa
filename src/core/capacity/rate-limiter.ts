/**
 * Unused permits of this last time may still be used, in milliseconds. Longer than the interval between two checks of a queue
 * (50 ms): below that, permits between two checks would be lost, half of them at a rate of 20 per second. Above: larger bursts.
 */
const BURST_MS = 75;

/**
 * A rate limiter (GCRA): a number of permits per second, evenly spaced. A burst is at most the permits of 75 ms, plus one.
 * Times in milliseconds, on the caller's clock.
 */
export class RateLimiter {
  readonly #intervalMs: number;
  /** When all permits taken so far are paid back (the theoretical arrival time of GCRA). */
  #theoreticalArrivalAt = Number.NEGATIVE_INFINITY;

  /** @param perSecond Above 0; 0.1 is one permit in ten seconds. */
  constructor(perSecond: number) {
    this.#intervalMs = 1000 / perSecond;
  }

  /** When the next permit is available. */
  get nextAt(): number {
    return this.#theoreticalArrivalAt - BURST_MS;
  }

  /** How many permits are available now. */
  available(now: number): number {
    if (now < this.nextAt) return 0;
    return 1 + Math.floor((now - Math.max(this.nextAt, now - BURST_MS)) / this.#intervalMs);
  }

  take(now: number): void {
    this.#theoreticalArrivalAt = Math.max(this.#theoreticalArrivalAt, now) + this.#intervalMs;
  }
}
