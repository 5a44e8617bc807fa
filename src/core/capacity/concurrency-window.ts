/** Each success adds this to the window. So a fully used window triples within one response time. */
const GROWTH = 2;

/**
 * How many attempts at once an endpoint has handled so far: a congestion window as in TCP, with slow start and multiplicative
 * decrease. Each success makes the window larger; each overload halves the window. The window never becomes smaller than its
 * initial size, because the circuit breaker handles an endpoint that does not answer at all.
 */
export class ConcurrencyWindow {
  readonly #initial: number;
  readonly #max: number;
  #size: number;
  #usedAt = Number.NEGATIVE_INFINITY;
  #halvedAt = Number.NEGATIVE_INFINITY;
  #grownAt = Number.NEGATIVE_INFINITY;

  /**
   * @param initial The window of an endpoint that has not answered yet.
   * @param max The number of slots of this worker.
   */
  constructor(initial: number, max: number) {
    this.#initial = initial;
    this.#max = max;
    this.#size = initial;
  }

  get size(): number {
    return this.#size;
  }

  /** When the window grew last; negative infinity if it never grew. */
  get grownAt(): number {
    return this.#grownAt;
  }

  /** @param inFlight Attempts in flight, with the one that starts now. */
  onAcquired(inFlight: number, now: number): void {
    if (2 * inFlight >= this.#size) this.#usedAt = now;
  }

  /**
   * @param responseMs How long an attempt may take. A success makes the window larger only if at least half the window was in use
   *   within this time.
   */
  onSuccess(now: number, responseMs: number): void {
    if (now - this.#usedAt > responseMs || this.#size >= this.#max) return;
    this.#size = Math.min(this.#size + GROWTH, this.#max);
    this.#grownAt = now;
  }

  /**
   * @param responseMs The endpoint's usual response time. Within this time the window is halved only once, for all attempts in
   *   flight together.
   */
  onOverload(now: number, responseMs: number): void {
    if (now - this.#halvedAt < responseMs) return;
    this.#size = Math.max(this.#initial, Math.floor(this.#size / 2));
    this.#halvedAt = now;
  }

  /** Back to the initial size: the last measurements are too old. */
  reset(): void {
    this.#size = this.#initial;
  }
}
