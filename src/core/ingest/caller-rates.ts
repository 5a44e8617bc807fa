import { LruMap } from '../lru-map.ts';

/** A caller may send the webhooks of so much time at once, in milliseconds. Below: programs that send in bursts are refused. */
const BURST_MS = 1000;
/** Callers that are kept. One that was not heard of for long has its whole rate again anyway. */
const CALLERS_KEPT = 10_000;
const LONGEST_CALLER = 64;

/**
 * Limits how many webhooks each caller sends per second (GCRA): on average the rate, and at once the webhooks of one second. A
 * caller that has not used that up may send a request, and the whole request counts. So a batch that is larger than the rate is taken
 * as a whole or refused as a whole, and what the caller sends after it waits for it. Times in milliseconds, on a clock that nobody sets.
 */
export class CallerRates {
  readonly perSecond: number;
  readonly #intervalMs: number;
  /** When a caller has its whole rate again (the theoretical arrival time of GCRA). */
  readonly #restoredAt = new LruMap<{ at: number }>(CALLERS_KEPT, LONGEST_CALLER);

  /** @param perSecond Webhooks per second of each caller, above 0. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.#intervalMs = 1000 / perSecond;
  }

  /** Counts one webhook, if the caller may send now. @returns null, or after how many milliseconds it may: nothing is counted then. */
  take(caller: string, now: number): number | null {
    const restored = this.#of(caller, now);
    // In this order, so that rounding refuses no caller that has its whole rate.
    const waitMs = restored.at - now - Math.max(0, BURST_MS - this.#intervalMs);
    if (waitMs > 0) return waitMs;
    restored.at = Math.max(restored.at, now) + this.#intervalMs;
    return null;
  }

  /** Counts further webhooks of a request that may be sent. */
  add(caller: string, webhooks: number, now: number): void {
    const restored = this.#of(caller, now);
    restored.at = Math.max(restored.at, now) + webhooks * this.#intervalMs;
  }

  #of(caller: string, now: number): { at: number } {
    const known = this.#restoredAt.get(caller);
    if (known !== undefined) return known;
    const restored = { at: now };
    this.#restoredAt.set(caller, restored);
    return restored;
  }
}
