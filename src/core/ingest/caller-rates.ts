import { LruMap } from '../lru-map.ts';

/** A caller may send the webhooks of so much time at once, in milliseconds. Below: programs that send in bursts are refused. */
const BURST_MS = 1000;
/** Callers that are kept. One that was not heard of for long has its whole rate again anyway. */
const CALLERS_KEPT = 10_000;
const LONGEST_CALLER = 64;

/**
 * Limits how many webhooks each caller sends per second (GCRA): on average the rate, and at once the webhooks of one second. A
 * caller may send a request as long as he is not in debt, and the whole request counts. So a batch that is larger than the rate is
 * taken as a whole or refused as a whole, and is paid back by what the caller sends after it. Times in milliseconds, on the caller's clock.
 */
export class CallerRates {
  readonly perSecond: number;
  readonly #intervalMs: number;
  /** When all webhooks of a caller are paid back (the theoretical arrival time of GCRA). */
  readonly #paidAt = new LruMap<{ at: number }>(CALLERS_KEPT, LONGEST_CALLER);

  /** @param perSecond Webhooks per second of each caller, above 0. */
  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.#intervalMs = 1000 / perSecond;
  }

  /** Counts one webhook, if the caller may send now. @returns null, or after how many milliseconds he may: nothing is counted then. */
  take(caller: string, now: number): number | null {
    const paid = this.#of(caller, now);
    // In this order, so that rounding refuses no caller that owes nothing.
    const waitMs = paid.at - now - Math.max(0, BURST_MS - this.#intervalMs);
    if (waitMs > 0) return waitMs;
    paid.at = Math.max(paid.at, now) + this.#intervalMs;
    return null;
  }

  /** Counts further webhooks of a request that may be sent. */
  add(caller: string, webhooks: number, now: number): void {
    const paid = this.#of(caller, now);
    paid.at = Math.max(paid.at, now) + webhooks * this.#intervalMs;
  }

  #of(caller: string, now: number): { at: number } {
    const known = this.#paidAt.get(caller);
    if (known !== undefined) return known;
    const paid = { at: now };
    this.#paidAt.set(caller, paid);
    return paid;
  }
}
