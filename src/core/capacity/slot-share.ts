import type { SlotShare } from './endpoint-limiter.ts';

export type SlotUsage = {
  /** Attempts that may be under way at once in this worker. */
  readonly slots: number;
  /** The most attempts that each of the other endpoints that answer had under way lately, summed up. */
  readonly reservedByOthers: number;
  /** Attempts under way at endpoints that have yet to answer. */
  readonly untested: number;
  /** Attempts under way at endpoints that answered, and have fallen silent. */
  readonly unresponsive: number;
  /** Probes under way. */
  readonly probes: number;
};

/** Endpoints together that have yet to answer may always have this many, where there are more slots than that. */
const MIN_UNTESTED_SLOTS = 10;

/** Up to this share of what silent endpoints leave, one that was never tried gets one attempt, so that a crowd of others keeps it out of nothing. */
const FIRST_ATTEMPT_SHARE = 0.75;

/**
 * How the slots are shared out.
 * - One endpoint that answers may have all of them but a reserve: twice what the others needed lately, at least one
 *   in 40 (so that an endpoint never seen before finds a way), at most a quarter.
 * - Those that have yet to answer have half of what silent endpoints leave, all together; each at most as many as it leaves
 *   to the next one, so that a handful of them cannot keep a new one out.
 * - Probes have an eighth.
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
