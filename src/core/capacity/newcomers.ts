/** Newcomers may use this share of the slots. */
const SHARE = 1 / 16;
/** With fewer slots, there are none for newcomers. */
const MIN_SLOTS = 4;
/**
 * Interval between the first attempts of two newcomers, in milliseconds: `first` while they use less than half of their slots,
 * `later` after that. So newcomers that all hang do not use up their slots before the first ones time out.
 */
const INTERVAL_MS = { first: 100, later: 1000 };

/**
 * Slots for the endpoint that was met last, while endpoints that have not answered yet use all that they may. So an endpoint that
 * is new and healthy delivers at once, although many endpoints hang. Pure. Times in milliseconds, on the caller's clock.
 */
export class Newcomers<E> {
  readonly #max: number;
  readonly #inFlight = new Set<E>();
  #newest: E | null = null;
  #startedAt = Number.NEGATIVE_INFINITY;

  /** @param slots CONCURRENCY. */
  constructor(slots: number) {
    this.#max = slots < MIN_SLOTS ? 0 : Math.max(1, Math.floor(SHARE * slots));
  }

  /** Called for each endpoint that this worker did not track before. */
  onMet(endpoint: E): void {
    this.#newest = endpoint;
  }

  /** True if the endpoint may make its first attempt in a slot of newcomers. */
  mayStart(endpoint: E, now: number): boolean {
    const { size } = this.#inFlight;
    if (endpoint !== this.#newest || size >= this.#max || this.#inFlight.has(endpoint)) return false;
    return now - this.#startedAt >= (2 * size < this.#max ? INTERVAL_MS.first : INTERVAL_MS.later);
  }

  onStarted(endpoint: E, now: number): void {
    this.#inFlight.add(endpoint);
    this.#startedAt = now;
  }

  /** Called when the endpoint has answered, or has no attempt in flight any more. */
  onEnded(endpoint: E): void {
    if (this.#inFlight.size > 0) this.#inFlight.delete(endpoint);
  }
}
