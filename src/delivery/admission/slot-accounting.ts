import type { Share } from '../../core/capacity/endpoint-limiter.ts';
import { shareOf } from '../../core/capacity/slot-share.ts';
import type { Place } from './tracked-endpoint.ts';

/** What an endpoint had under way at once counts as its need for this long, in milliseconds, and for as long again. */
const PEAK_LASTS_MS = 10_000;

/** All endpoints of this worker together: what they hold, and what is left for each. The sums are kept, never counted anew. */
export class Crowd {
  readonly #slots: number;
  readonly #inFlight = { proven: 0, trial: 0, stuck: 0 };
  #probes = 0;
  #needs = 0;
  #peaksBegan = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  shareOf(place: Place): Share {
    return shareOf({
      slots: this.#slots,
      othersPeaks: this.#needs - place.need,
      trial: this.#inFlight.trial,
      stuck: this.#inFlight.stuck,
      probes: this.#probes,
    });
  }

  /** Whatever changes in a room changes within this, so that the sums stay right. */
  account(place: Place, change: () => void): void {
    const { room } = place;
    this.#inFlight[room.standing] -= room.inFlight;
    this.#probes -= room.probes;
    change();
    this.#inFlight[room.standing] += room.inFlight;
    this.#probes += room.probes;
    place.peak = Math.max(place.peak, room.inFlight);
    this.#sumUp(place);
  }

  /** Forgets an endpoint that holds nothing. */
  drop(place: Place): void {
    this.#needs -= place.need;
  }

  /** Peaks of long ago are forgotten. Call it now and then. */
  roll(now: number, places: Iterable<Place>): void {
    const agoMs = now - this.#peaksBegan;
    if (agoMs < PEAK_LASTS_MS) return;
    this.#peaksBegan = now;
    for (const place of places) {
      place.peakBefore = agoMs < 2 * PEAK_LASTS_MS ? place.peak : 0;
      place.peak = place.room.inFlight;
      this.#sumUp(place);
    }
  }

  #sumUp(place: Place): void {
    // What does not answer needs no reserve.
    const need = place.room.standing === 'proven' ? Math.max(place.peak, place.peakBefore) : 0;
    this.#needs += need - place.need;
    place.need = need;
  }
}
