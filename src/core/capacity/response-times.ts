/** An endpoint is slow if its mean response time is at least this many times PARK_AFTER_MS. */
const SLOW_FACTOR = 3;
/** Weight of the newest response time in the mean. */
const EWMA_WEIGHT = 0.1;

/** How long an endpoint takes to answer with success. Times in milliseconds. */
export class ResponseTimes {
  readonly #unresponsiveAfterMs: number;
  #meanMs = 0;

  /** @param unresponsiveAfterMs PARK_AFTER_MS. */
  constructor(unresponsiveAfterMs: number) {
    this.#unresponsiveAfterMs = unresponsiveAfterMs;
  }

  add(durationMs: number): void {
    this.#meanMs = this.#meanMs === 0 ? durationMs : this.#meanMs + EWMA_WEIGHT * (durationMs - this.#meanMs);
  }

  /** True if the endpoint responds slowly: a slot that it gets stays in use for long. */
  isSlow(): boolean {
    return this.#meanMs >= SLOW_FACTOR * this.#unresponsiveAfterMs;
  }

  /** Without an answer for longer than this, the endpoint is silent. */
  answerTimeoutMs(): number {
    return Math.max(this.#unresponsiveAfterMs, 2 * this.#meanMs);
  }
}
