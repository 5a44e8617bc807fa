import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { between, seededRandom } from '../../src/core/seeded-random.ts';

const firstNumbers = (seed: number, name: string) => {
  const random = seededRandom(seed, name);
  return Array.from({ length: 5 }, random);
};

describe('a seeded random number', () => {
  it('is the same for the same seed and name', () => {
    expect(firstNumbers(7, 'a')).toEqual(firstNumbers(7, 'a'));
  });

  it('differs with the seed, and with the name', () => {
    expect(firstNumbers(7, 'a')).not.toEqual(firstNumbers(8, 'a'));
    expect(firstNumbers(7, 'a')).not.toEqual(firstNumbers(7, 'b'));
  });

  it('is a number from 0 (included) to 1 (excluded)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.string(), (seed, name) =>
        firstNumbers(seed, name).every((number) => number >= 0 && number < 1),
      ),
    );
  });
});

describe('a random whole number', () => {
  it.each([
    { random: 0, expected: 3 },
    { random: 0.5, expected: 5 },
    { random: 0.999, expected: 6 },
  ])('from 3 to 6 is $expected for the random number $random', ({ random, expected }) => {
    expect(between(() => random, [3, 6])).toBe(expected);
  });
});
