/** Whose cap and rate an endpoint has: its own; those of the origin that it is; those of the origin that its URL was split off from. */
export type CapOwner = 'own' | 'origin' | 'split';

/** Attempts in flight that share the cap of an origin. */
export type SharedAttempts = { ofOrigin: number; ofSplits: number };

/**
 * How many more attempts a shared cap has places for. URLs that are split off leave one place to the other URLs of their origin, if
 * the cap has two.
 */
export function sharedPlacesLeft(owner: 'origin' | 'split', cap: number, inFlight: SharedAttempts): number {
  const left = cap - inFlight.ofOrigin - inFlight.ofSplits;
  return owner === 'origin' ? left : Math.min(left, Math.max(1, cap - 1) - inFlight.ofSplits);
}

/**
 * How many silent first attempts split a URL off: fewer where a small cap would be used up by them.
 *
 * @param cap Null: no cap.
 */
export function silentLimit(cap: number | null): number {
  return cap === null ? SILENT : Math.min(SILENT, Math.max(1, Math.floor(cap / 2)));
}

const SILENT = 3;
