/**
 * An endpoint that stopped asking loses its turn after this long, in milliseconds. Below it, a parked queue that is looked at every
 * 50 ms would lose its turn on a busy machine. Above it, a place would stay free for an endpoint that was paused.
 */
const ASKED_MS = 250;
/**
 * How long a place is kept for an endpoint whose turn it is, in milliseconds. Below it, a parked queue could not be opened in time.
 * Above it, a place would stay free for long, because the parked messages of an endpoint may not be due.
 */
const KEPT_MS = 300;
/**
 * After a turn without an attempt, a queue of the endpoint gets no turn for this long, in milliseconds, and for as long again for each other
 * endpoint that gets none. So turns without attempts take about a tenth of the time, however many endpoints do not use theirs.
 */
const REST_MS = 3000;

/**
 * Who waits for a place: `message`: a message that is here, and starts when it has the place. `queue`: a parked queue, whose messages may
 * not be due. `none`: nobody.
 */
export type Wish = 'message' | 'queue' | 'none';

type Turn = {
  askedAt: number;
  /** Since when there has been a place for the endpoint; null: there was none yet. */
  placeSince: number | null;
};

/**
 * Whose turn it is, where an origin and the URLs that are split off from it share a cap or a rate. The endpoint that has waited
 * longest is the next one. So an endpoint under constant load does not keep out the others. Pure. Times in milliseconds, on the
 * caller's clock.
 */
export class CapTurns {
  /** By endpoint. The first one has waited longest. */
  readonly #turns = new Map<unknown, Turn>();
  /** Until when the queues of endpoints get no turn, because the last one was not used. */
  readonly #resting = new Map<unknown, number>();

  /**
   * How many of the free places the endpoint may use.
   *
   * @param wish Who waits for a place: without a place, the endpoint gets in line.
   */
  placesFor(endpoint: unknown, free: number, wish: Wish, now: number): number {
    if (free > 0 && this.#turns.size === 0) return free;
    const left = Math.max(0, free - this.#aheadOf(endpoint, now));
    if (wish !== 'none') this.#ask(endpoint, left > 0, wish, now);
    return left;
  }

  /** Called when an attempt of the endpoint starts. */
  onStarted(endpoint: unknown): void {
    if (this.#turns.size > 0) this.#turns.delete(endpoint);
    if (this.#resting.size > 0) this.#resting.delete(endpoint);
  }

  #ask(endpoint: unknown, hasPlace: boolean, wish: Wish, now: number): void {
    const turn = this.#turns.get(endpoint);
    if (turn !== undefined) {
      turn.askedAt = now;
      if (hasPlace) turn.placeSince ??= now;
    } else if (!hasPlace && (wish === 'message' || now >= (this.#resting.get(endpoint) ?? now)))
      this.#turns.set(endpoint, { askedAt: now, placeSince: null });
  }

  /** How many endpoints have waited longer. */
  #aheadOf(endpoint: unknown, now: number): number {
    let ahead = 0;
    let isBehind = false;
    for (const [other, { askedAt, placeSince }] of this.#turns) {
      const isUnused = placeSince !== null && now - placeSince > KEPT_MS;
      if (isUnused) this.#rest(other, now);
      if (isUnused || now - askedAt > ASKED_MS) this.#turns.delete(other);
      else if (other === endpoint) isBehind = true;
      else if (!isBehind) ahead++;
    }
    return ahead;
  }

  #rest(endpoint: unknown, now: number): void {
    for (const [other, until] of this.#resting) if (until <= now) this.#resting.delete(other);
    this.#resting.set(endpoint, now + REST_MS * (1 + this.#resting.size));
  }
}
