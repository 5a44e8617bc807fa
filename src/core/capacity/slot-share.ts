import type { SlotShare } from './endpoint-limiter.ts';

export type SlotUsage = {
  /** Attempts that may be in flight at once in this worker. */
  readonly slots: number;
  /** The recent peaks of attempts in flight, one per other responsive endpoint, summed up. */
  readonly reservedByOthers: number;
  /** Attempts in flight at endpoints that have not answered yet. */
  readonly untested: number;
  /** Attempts in flight at endpoints that answered before and are unresponsive now. */
  readonly unresponsive: number;
  /** Probes in flight. */
  readonly probes: number;
};

/** All untested endpoints together may always use this many slots, if there are more slots than that. */
const MIN_UNTESTED_SLOTS = 10;

/**
 * An untested endpoint may always make its first attempt while untested endpoints together use less than this share of the slots
 * that unresponsive endpoints leave free. So many untested endpoints cannot keep a new one from its first attempt.
 */
const FIRST_ATTEMPT_SHARE = 0.75;

/**
 * How the slots are shared among the endpoints.
 * - A responsive endpoint may use all slots except a reserve: twice the recent peaks of the other endpoints, at least one slot
 *   in 40 (for endpoints that are new), at most a quarter of the slots.
 * - All untested endpoints together may use half of the slots that unresponsive endpoints leave free. One of them may use at most
 *   as many slots as it leaves to the next one, so a few untested endpoints cannot keep out a new one.
 * - Probes may use an eighth of the slots.
 */
export function slotShare({ slots, reservedByOthers, untested, unresponsive, probes }: SlotUsage): SlotShare {
  const minReserve = Math.max(Math.floor(slots / 40), slots >= 8 ? 1 : 0);
  const reserve = Math.min(Math.max(2 * reservedByOthers, minReserve), Math.floor(slots / 4));
  const free = slots - unresponsive;
  const untestedSlots = Math.max(1, Math.floor(free / 2), Math.min(free - 1, MIN_UNTESTED_SLOTS));
  return {
    responsive: slots - reserve,
    untested: untestedSlots - untested,
    firstAttempt: untested < FIRST_ATTEMPT_SHARE * free,
    probe: probes < Math.max(1, slots / 8),
  };
}
