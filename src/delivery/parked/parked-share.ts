import type { Rooms } from '../admission/admission.ts';
import type { Place } from '../admission/tracked-endpoint.ts';

export type DrainShareOptions = {
  readonly rooms: Rooms;
  /** CONCURRENCY. */
  readonly slots: number;
  /** Slots without a message. */
  free(): number;
  /** Fresh messages that are asked for, and about to come. */
  asked(): number;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** For how long the sum of what all queues want is good enough, in milliseconds. */
const WISH_LASTS_MS = 5;
/** The most that parked messages have of the slots, so that those of healthy endpoints go on meanwhile. */
const MOST = 0.75;
/** Left free of fresh messages even while nothing is known to be parked, so that what a peer has parked need not wait. */
const SPARE = 1 / 40;

/** How the slots are shared between fresh messages and parked ones: these go first, up to a bound. */
export class DrainShare {
  readonly #options: DrainShareOptions;
  readonly #places = new Set<Place>();
  #busy = 0;
  #wish = 0;
  #wishedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DrainShareOptions) {
    this.#options = options;
  }

  /** An endpoint's queue is being drained, until `remove`. */
  add(place: Place): void {
    this.#places.add(place);
  }

  remove(place: Place): void {
    this.#places.delete(place);
  }

  /** A parked message has its slot, until `ended`. */
  began(): void {
    this.#busy++;
  }

  ended(): void {
    this.#busy--;
  }

  /** How many of the free slots are to be left to parked messages. */
  wish(): number {
    const { now, slots, free } = this.#options;
    if (now() - this.#wishedAt >= WISH_LASTS_MS) {
      this.#wishedAt = now();
      this.#wish = 0;
      for (const place of this.#places) this.#wish += this.#wants(place);
    }
    return Math.min(free(), Math.max(Math.floor(SPARE * slots), Math.min(this.#wish, this.#left())));
  }

  /** How many messages of this endpoint's queue may be asked for, those included that are. */
  mayAsk(place: Place): number {
    const { rooms, free, asked } = this.#options;
    let claimed = 0;
    for (const other of this.#places) if (other !== place) claimed += claimOf(other);
    return Math.min(
      rooms.spaceFor(place),
      // A queue that seems to be empty is asked for one: those that wait for their time are not counted.
      Math.max(1, place.parked ?? 0),
      Math.min(free() - asked(), this.#left()) - claimed,
    );
  }

  #left(): number {
    return Math.max(1, Math.floor(MOST * this.#options.slots)) - this.#busy;
  }

  #wants(place: Place): number {
    return Math.min(this.#options.rooms.spaceFor(place), place.parked ?? 0);
  }
}

/** What is asked for and is not there takes no slot. */
function claimOf({ drain, parked }: Place): number {
  return drain === null ? 0 : Math.min(drain.credits(), parked ?? 0);
}
