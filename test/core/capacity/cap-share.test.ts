import { describe, expect, it } from 'vitest';
import { sharedPlacesLeft, silentLimit } from '../../../src/core/capacity/cap-share.ts';

describe('the places that a shared cap leaves', () => {
  it.each([
    // owner, cap, attempts of the origin, attempts of its split URLs, left
    ['an origin counts the attempts of its split URLs, too', 'origin', 4, 2, 1, 1],
    ['an origin may have all, if no split URL has any', 'origin', 4, 0, 0, 4],
    ['split URLs may use what the origin leaves', 'split', 4, 3, 0, 1],
    ['split URLs leave one place to the origin', 'split', 4, 0, 0, 3],
    ['split URLs leave one place to the origin, counted together', 'split', 4, 0, 3, 0],
    ['that place may be in use', 'split', 4, 1, 2, 1],
    ['of two places they may have one', 'split', 2, 0, 1, 0],
    ['the only place is for both', 'split', 1, 0, 0, 1],
    ['the only place is in use', 'split', 1, 1, 0, 0],
    ['hung attempts that moved to split URLs may be more than they may start', 'split', 4, 0, 4, -1],
  ] as const)('%s', (_, owner, cap, ofOrigin, ofSplits, left) => {
    expect(sharedPlacesLeft(owner, cap, { ofOrigin, ofSplits })).toBe(left);
  });
});

it.each([
  [null, 3],
  [100, 3],
  [6, 3],
  [4, 2],
  [2, 1],
  [1, 1],
])('with a cap of %s, %d silent first attempts split a URL off', (cap, silent) => {
  expect(silentLimit(cap)).toBe(silent);
});
