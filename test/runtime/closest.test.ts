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
])('one mistake in %s leads to %s', (word, meant) => {
  expect(closest(word, ['sql', 'stats'], 1)).toBe(meant);
});

test('the word with the fewest mistakes is meant, wherever it stands', () => {
  expect(closest('NATS_USR', ['NATS_URL', 'NATS_USER'], 2)).toBe('NATS_USER');
  expect(closest('NATS_ULR', ['NATS_USER', 'NATS_URL'], 2)).toBe('NATS_URL');
});
