/** How many slots one endpoint may use, given the slots that all other endpoints use. */
export type SlotShare = {
  /** For an endpoint that answers. */
  readonly responsive: number;
  /** For an endpoint that has not answered yet, or became unresponsive. */
  readonly untested: number;
  /** True if an untested endpoint without an attempt in flight may start one, although `untested` is used up. */
  readonly firstAttempt: boolean;
  /** How many attempts of this endpoint may hang while it answers others. */
  readonly hung: number;
  /** True if one more probe of a half-open breaker may start. */
  readonly probe: boolean;
};

type SlotUsage = {
  /** Attempts that may be in flight at once in this worker. */
  readonly slots: number;
  /** The recent peaks of attempts in flight, one per other responsive endpoint, summed up. */
  readonly reservedByOthers: number;
  /** Attempts in flight at endpoints that have not answered yet. */
  readonly untested: number;
  /** Attempts in flight at endpoints that answered before and are unresponsive now. */
  readonly unresponsive: number;
  /** Hung and extra attempts in flight at all other endpoints. */
  readonly hungAtOthers: number;
  /** Probes in flight. */
  readonly probes: number;
  /** The endpoint succeeded before. */
  readonly hasSucceeded: boolean;
};

/** All untested endpoints together may use this share of the slots that unresponsive endpoints leave free. */
const UNTESTED_SHARE = 1 / 2;
/**
 * An endpoint that succeeded before may always make its first attempt while untested endpoints together use less than this share of
 * the same slots. So many endpoints that never answered cannot keep out an endpoint that was only idle.
 */
const KNOWN_SHARE = 3 / 4;

/**
 * Hung attempts of one endpoint may use `each` of the slots. While no other endpoint needs the slots, they may use `alone` of what
 * all hung attempts together may use.
 */
const HUNG_SHARE = { together: 1 / 2, each: 1 / 8, alone: 3 / 4 };

/**
 * How the slots are shared among the endpoints.
 * - A responsive endpoint may use all slots except a reserve: twice the recent peaks of the other endpoints, at least one slot
 *   in 40 (for endpoints that are new), at most a quarter of the slots.
 * - All untested endpoints together may use half of the slots that unresponsive endpoints leave free. One of them may use at most
 *   as many slots as it leaves to the next one, so a few untested endpoints cannot keep out a new one.
 * - All hung attempts together may use half of the slots that untested endpoints leave free. Those of one endpoint may use an eighth
 *   of the slots, or three quarters of that half while other endpoints need few slots; at least one slot. Extra attempts of this
 *   endpoint may use as many slots again.
 * - Probes may use an eighth of the slots.
 */
export function slotShare(usage: SlotUsage): SlotShare {
  const { slots, reservedByOthers, untested, unresponsive, probes, hasSucceeded } = usage;
  const minReserve = Math.max(Math.floor(slots / 40), slots >= 8 ? 1 : 0);
  const reserve = Math.min(Math.max(2 * reservedByOthers, minReserve), Math.floor(slots / 4));
  const free = slots - unresponsive;
  const untestedSlots = Math.max(1, Math.floor(UNTESTED_SHARE * free));
  return {
    responsive: slots - reserve,
    untested: untestedSlots - untested,
    firstAttempt: untested < Math.max(1, (hasSucceeded ? KNOWN_SHARE : UNTESTED_SHARE) * free),
    hung: Math.max(1, Math.floor(hungShare(usage))),
    probe: probes < Math.max(1, slots / 8),
  };
}

function hungShare({ slots, reservedByOthers, untested, hungAtOthers }: SlotUsage): number {
  const left = HUNG_SHARE.together * (slots - untested) - hungAtOthers;
  const unneeded = HUNG_SHARE.together * (slots - 2 * reservedByOthers) - hungAtOthers;
  return Math.min(left, Math.max(HUNG_SHARE.each * slots, HUNG_SHARE.alone * Math.min(left, unneeded)));
}
