import { expect, test } from 'vitest';
import { closest } from '../../src/runtime/closest.ts';

test.each([
  ['stats', 'stats'],
  ['sats', 'stats'],
  ['staats', 'stats'],
  ['stets', 'stats'],
  ['tsats', 'stats'],
  ['STATS', 'stats'],
  ['tsat', undefined],
  ['migrate', undefined],
])('with at most one mistake, the closest word to %s is %s', (word, expected) => {
  expect(closest(word, ['sql', 'stats'], 1)).toBe(expected);
});

test('the closest word is the word with the fewest mistakes, at any position in the list', () => {
  expect(closest('NATS_USR', ['NATS_URL', 'NATS_USER'], 2)).toBe('NATS_USER');
  expect(closest('NATS_ULR', ['NATS_USER', 'NATS_URL'], 2)).toBe('NATS_URL');
});
