/** Whose cap and rate an endpoint has: its own; those of the origin that it is; those of the origin that its URL was split off from. */
export type CapPlace = 'own' | 'origin' | 'split';

type CapUsage = {
  readonly place: CapPlace;
  /** The most attempts in flight; infinity: no cap. */
  readonly cap: number;
  /** Attempts of the endpoint in flight. */
  readonly inFlight: number;
  /** Attempts in flight of the origin and of all URLs that are split off from it. */
  readonly sharing: number;
  /** The endpoint answers, and its breaker is closed. */
  readonly isWell: boolean;
};

/**
 * How many more attempts the cap allows. A URL that is split off shares the cap of its origin, and leaves one place to the other URLs
 * if the cap has two. While it fails or hangs, it holds one place at most.
 */
export function placesLeft({ place, cap, inFlight, sharing, isWell }: CapUsage): number {
  if (place === 'own') return cap - inFlight;
  if (place === 'origin') return cap - sharing;
  const left = Math.max(0, Math.max(1, cap - 1) - sharing);
  return isWell || cap === Number.POSITIVE_INFINITY ? left : Math.min(left, Math.max(0, 1 - inFlight));
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
