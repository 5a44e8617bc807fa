import { describe, expect, it } from 'vitest';
import { placesLeft, silentLimit } from '../../../src/core/capacity/cap-share.ts';

const NONE = Number.POSITIVE_INFINITY;

describe('the places that a cap leaves', () => {
  it.each([
    // place, cap, in flight, sharing, well, left
    ['a row counts its own attempts', 'own', 4, 3, 9, true, 1],
    ['an origin counts the attempts of its split URLs, too', 'origin', 4, 1, 3, true, 1],
    ['a split URL that hangs has one', 'split', 4, 0, 2, false, 1],
    ['and no second one', 'split', 4, 1, 1, false, 0],
    ['and never the last one', 'split', 4, 0, 3, false, 0],
    ['but the only one', 'split', 1, 0, 0, false, 1],
    ['unless that is in use', 'split', 1, 0, 1, false, 0],
    ['a split URL that is well again shares the cap, except one place', 'split', 4, 1, 1, true, 2],
    ['without a cap there is no limit, for an origin', 'origin', NONE, 5, 9, true, NONE],
    ['without a cap there is no limit, for a split URL', 'split', NONE, 5, 9, false, NONE],
  ] as const)('%s', (_, place, cap, inFlight, sharing, isWell, left) => {
    expect(placesLeft({ place, cap, inFlight, sharing, isWell })).toBe(left);
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
