import { expect, test } from 'vitest';
import { numberOrText } from '../../src/runtime/number-or-text.ts';

test.each([
  ['0', 0],
  ['-17', -17],
  ['1.10', 1.1],
  ['9007199254740991', 9_007_199_254_740_991],
  ['1e+300', 1e300],
  ['0.30000000000000004', 0.30000000000000004],
  ['1000000000000000000000', 1e21],
  ['0.00', 0],
])('%s is the number %d', (text, value) => {
  expect(numberOrText(text)).toBe(value);
});

test.each([
  '9007199254740993',
  '-12345678901234567890',
  '0.1234567890123456789',
  'NaN',
  'Infinity',
  '-Infinity',
  `0.${'0'.repeat(400)}1`,
  `1${'0'.repeat(400)}`,
])('%s stays text, since JSON has no such number', (text) => {
  expect(numberOrText(text)).toBe(text);
});

test('null stays null', () => {
  expect(numberOrText(null)).toBeNull();
});
