import type { SlotShare } from '../../core/capacity/endpoint-limiter.ts';
import { slotShare } from '../../core/capacity/slot-share.ts';
import type { TrackedEndpoint } from './tracked-endpoint.ts';

/** What an endpoint had under way at once counts as its need for this long, in milliseconds, and for as long again. */
const PEAK_WINDOW_MS = 10_000;

/** All endpoints of this worker together: what they hold, and what is left for each. The sums are kept, never counted anew. */
export class SlotAccounting {
  readonly #slots: number;
  readonly #inFlight = { responsive: 0, untested: 0, unresponsive: 0 };
  #probes = 0;
  #reserved = 0;
  #peaksStartedAt = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  shareFor(endpoint: TrackedEndpoint): SlotShare {
    return slotShare({
      slots: this.#slots,
      reservedByOthers: this.#reserved - endpoint.reservedSlots,
      untested: this.#inFlight.untested,
      unresponsive: this.#inFlight.unresponsive,
      probes: this.#probes,
    });
  }

  /** Whatever changes in a room changes within this, so that the sums stay right. */
  track(endpoint: TrackedEndpoint, change: () => void): void {
    const { limiter } = endpoint;
    this.#inFlight[limiter.responsiveness] -= limiter.inFlight;
    this.#probes -= limiter.probes;
    change();
    this.#inFlight[limiter.responsiveness] += limiter.inFlight;
    this.#probes += limiter.probes;
    endpoint.peak = Math.max(endpoint.peak, limiter.inFlight);
    this.#updateReserve(endpoint);
  }

  /** Forgets an endpoint that holds nothing. */
  remove(endpoint: TrackedEndpoint): void {
    this.#reserved -= endpoint.reservedSlots;
  }

  /** Peaks of long ago are forgotten. Call it now and then. */
  rotate(now: number, endpoints: Iterable<TrackedEndpoint>): void {
    const agoMs = now - this.#peaksStartedAt;
    if (agoMs < PEAK_WINDOW_MS) return;
    this.#peaksStartedAt = now;
    for (const endpoint of endpoints) {
      endpoint.previousPeak = agoMs < 2 * PEAK_WINDOW_MS ? endpoint.peak : 0;
      endpoint.peak = endpoint.limiter.inFlight;
      this.#updateReserve(endpoint);
    }
  }

  #updateReserve(endpoint: TrackedEndpoint): void {
    // What does not answer needs no reserve.
    const reserved =
      endpoint.limiter.responsiveness === 'responsive' ? Math.max(endpoint.peak, endpoint.previousPeak) : 0;
    this.#reserved += reserved - endpoint.reservedSlots;
    endpoint.reservedSlots = reserved;
  }
}
