import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { between, seededRandom } from '../../src/core/seeded-random.ts';

const drawn = (seed: number, name: string) => {
  const random = seededRandom(seed, name);
  return Array.from({ length: 5 }, random);
};

describe('what is drawn from a seed', () => {
  it('is the same for the same seed and name', () => {
    expect(drawn(7, 'a')).toEqual(drawn(7, 'a'));
  });

  it('differs with the seed, and with the name', () => {
    expect(drawn(7, 'a')).not.toEqual(drawn(8, 'a'));
    expect(drawn(7, 'a')).not.toEqual(drawn(7, 'b'));
  });

  it('is a number from 0 (included) to 1 (excluded)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.string(), (seed, name) =>
        drawn(seed, name).every((number) => number >= 0 && number < 1),
      ),
    );
  });
});

describe('a number between two', () => {
  it.each([
    { random: 0, is: 3 },
    { random: 0.5, is: 5 },
    { random: 0.999, is: 6 },
  ])('is $is at $random of 3 to 6: both ends included', ({ random, is }) => {
    expect(between(() => random, [3, 6])).toBe(is);
  });
});
