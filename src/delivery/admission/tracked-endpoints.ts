import { isIdle, type Place } from './tracked-endpoint.ts';

export type PlacesOptions = {
  /** Endpoints that are remembered at most, those that hold a slot aside. ENDPOINTS_KEPT. */
  readonly most: number;
  /** Whether it has attempts under way, or messages that wait in their slots. */
  isBusy(place: Place): boolean;
  /** Told of each that is forgotten. */
  forgotten(place: Place): void;
};

/** How many are forgotten at once when there are too many: to find them, all are looked at. */
const SHARE_FORGOTTEN = 1 / 8;

/** The endpoints that this worker remembers. One that it has forgotten is met as one never seen before. */
export class Places {
  readonly #options: PlacesOptions;
  readonly #byKey = new Map<string, Place>();

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  get(key: string): Place | undefined {
    return this.#byKey.get(key);
  }

  values(): IterableIterator<Place> {
    return this.#byKey.values();
  }

  /** Remembers one more: where there are too many, those without trouble that had no attempt for longest make room, then the others. */
  add(place: Place): void {
    if (this.#byKey.size >= this.#options.most) this.#makeRoom();
    this.#byKey.set(place.key, place);
  }

  /** Drops endpoints that nobody has wanted anything of for long, once nobody takes them for troubled any more. */
  forgetIdle(now: number): void {
    for (const place of this.#byKey.values()) {
      const isSpokenOf = place.isSaid || (place.told !== null && place.told.state !== 'flowing');
      if (this.#isFree(place) && !isSpokenOf && isIdle(place, now)) this.#forget(place);
    }
  }

  #makeRoom(): void {
    const free = [...this.#byKey.values()].filter((place) => this.#isFree(place));
    free.sort((a, b) => Number(isQuiet(b)) - Number(isQuiet(a)) || a.usedAt - b.usedAt);
    for (const place of free.slice(0, Math.ceil(SHARE_FORGOTTEN * this.#options.most))) this.#forget(place);
  }

  #isFree(place: Place): boolean {
    return place.drain === null && !this.#options.isBusy(place);
  }

  #forget(place: Place): void {
    place.isForgotten = true;
    this.#byKey.delete(place.key);
    this.#options.forgotten(place);
  }
}

function isQuiet({ room, isQueueing, parked }: Place): boolean {
  return room.breaker.isClosed() && !isQueueing && !parked;
}
