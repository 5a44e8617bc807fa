/** A number from 0 (included) to 1 (excluded), like `Math.random`. */
export type Random = () => number;

/**
 * Returns the same numbers for the same seed and name, whatever other generators return: mulberry32.
 *
 * @param seed 0 to 4 294 967 295.
 */
export function seededRandom(seed: number, name: string): Random {
  let state = (seed ^ hashOf(name)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A random whole number from `least` to `most`, both included. */
export function between(random: Random, [least, most]: readonly [number, number]): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
