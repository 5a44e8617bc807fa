/** What each success adds: a window that is used in full trebles within one response time. */
const GROWTH = 2;

/**
 * How many attempts an endpoint has shown to bear at once: a window as TCP's, which grows with every success and is halved when
 * the endpoint is overloaded. Never below its first size: what answers nothing at all is the circuit breaker's.
 */
export class ConcurrencyWindow {
  readonly #initial: number;
  readonly #max: number;
  #size: number;
  #usedAt = Number.NEGATIVE_INFINITY;
  #halvedAt = Number.NEGATIVE_INFINITY;
  #grownAt = Number.NEGATIVE_INFINITY;

  /**
   * @param initial Of an endpoint that has not answered yet.
   * @param max All slots of this worker.
   */
  constructor(initial: number, max: number) {
    this.#initial = initial;
    this.#max = max;
    this.#size = initial;
  }

  get size(): number {
    return this.#size;
  }

  /** When it grew last; before all time where it never did. */
  get grownAt(): number {
    return this.#grownAt;
  }

  /** @param inFlight Attempts under way, the one that begins included. */
  onAcquired(inFlight: number, now: number): void {
    if (2 * inFlight >= this.#size) this.#usedAt = now;
  }

  /** @param responseMs What an attempt may take: a window that was not used within this time proves nothing by a success. */
  onSuccess(now: number, responseMs: number): void {
    if (now - this.#usedAt > responseMs || this.#size >= this.#max) return;
    this.#size = Math.min(this.#size + GROWTH, this.#max);
    this.#grownAt = now;
  }

  /** @param responseMs What the endpoint usually takes: halved once for all attempts that were under way together. */
  onOverload(now: number, responseMs: number): void {
    if (now - this.#halvedAt < responseMs) return;
    this.#size = Math.max(this.#initial, Math.floor(this.#size / 2));
    this.#halvedAt = now;
  }

  /** What it was is long ago. */
  reset(): void {
    this.#size = this.#initial;
  }
}
