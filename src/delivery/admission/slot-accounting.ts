import { Newcomers } from '../../core/capacity/newcomers.ts';
import { type SlotShare, slotShare } from '../../core/capacity/slot-share.ts';
import type { TrackedEndpoint } from './tracked-endpoint.ts';

/**
 * Length of one peak window, in milliseconds. The slots reserved for an endpoint are its most attempts in flight in the current
 * and in the previous window. Older peaks do not count.
 */
const PEAK_WINDOW_MS = 10_000;
/** For this long after the start of an attempt, the worker counts as active, in milliseconds. */
const ACTIVE_MS = 5000;

/**
 * Counts the slots that all endpoints of this worker hold, and how many are left for each. The sums are updated, never
 * recounted.
 */
export class SlotAccounting {
  readonly #slots: number;
  readonly #newcomers: Newcomers<TrackedEndpoint>;
  readonly #inFlight = { responsive: 0, untested: 0, unresponsive: 0 };
  /** Attempts outside of the windows of their endpoints: hung and extra ones. */
  #outside = 0;
  #probes = 0;
  #reserved = 0;
  #peaksStartedAt = 0;
  #startedAt = Number.NEGATIVE_INFINITY;

  constructor(slots: number) {
    this.#slots = slots;
    this.#newcomers = new Newcomers(slots);
  }

  /** Called for each endpoint that this worker did not track before. */
  onMet(endpoint: TrackedEndpoint): void {
    this.#newcomers.onMet(endpoint);
  }

  shareFor(endpoint: TrackedEndpoint, now: number): SlotShare {
    const share = this.#regularShareFor(endpoint);
    return share.firstAttempt || !this.#newcomers.mayStart(endpoint, now)
      ? share
      : { ...share, firstAttempt: true };
  }

  /** True if an attempt began lately. */
  isActive(now: number): boolean {
    return now - this.#startedAt < ACTIVE_MS;
  }

  /** As `track`, for the start of an attempt. */
  trackStart(endpoint: TrackedEndpoint, now: number, start: () => void): void {
    this.#startedAt = now;
    const isFirst = endpoint.limiter.inFlight === 0;
    if (isFirst && this.#newcomers.mayStart(endpoint, now) && !this.#regularShareFor(endpoint).firstAttempt)
      this.#newcomers.onStarted(endpoint, now);
    this.track(endpoint, start);
  }

  /** Every change of an endpoint limiter must run in here, so that the sums stay right. */
  track(endpoint: TrackedEndpoint, change: () => void): void {
    const { limiter } = endpoint;
    this.#inFlight[limiter.responsiveness] -= limiter.inWindow;
    this.#outside -= limiter.outsideWindow;
    this.#probes -= limiter.probes;
    change();
    this.#inFlight[limiter.responsiveness] += limiter.inWindow;
    this.#outside += limiter.outsideWindow;
    this.#probes += limiter.probes;
    endpoint.peak = Math.max(endpoint.peak, limiter.inWindow);
    this.#updateReserve(endpoint);
    if (limiter.inFlight === 0 || limiter.responsiveness === 'responsive') this.#newcomers.onEnded(endpoint);
  }

  /** Removes the reserve of an endpoint that holds no slot. */
  remove(endpoint: TrackedEndpoint): void {
    this.#reserved -= endpoint.reservedSlots;
  }

  /** Starts a new peak window when the current one is over. Call this regularly. */
  rotate(now: number, endpoints: Iterable<TrackedEndpoint>): void {
    const agoMs = now - this.#peaksStartedAt;
    if (agoMs < PEAK_WINDOW_MS) return;
    this.#peaksStartedAt = now;
    for (const endpoint of endpoints) {
      endpoint.previousPeak = agoMs < 2 * PEAK_WINDOW_MS ? endpoint.peak : 0;
      endpoint.peak = endpoint.limiter.inWindow;
      this.#updateReserve(endpoint);
    }
  }

  #regularShareFor({ limiter, reservedSlots }: TrackedEndpoint): SlotShare {
    return slotShare({
      slots: this.#slots,
      reservedByOthers: this.#reserved - reservedSlots,
      untested: this.#inFlight.untested,
      // Slots of attempts that are hung are not free either.
      unresponsive: this.#inFlight.unresponsive + this.#outside,
      hungAtOthers: this.#outside - limiter.outsideWindow,
      probes: this.#probes,
      hasSucceeded: limiter.breaker.hasSucceeded,
    });
  }

  #updateReserve(endpoint: TrackedEndpoint): void {
    // An endpoint that does not answer needs no reserve.
    const reserved =
      endpoint.limiter.responsiveness === 'responsive' ? Math.max(endpoint.peak, endpoint.previousPeak) : 0;
    this.#reserved += reserved - endpoint.reservedSlots;
    endpoint.reservedSlots = reserved;
  }
}
