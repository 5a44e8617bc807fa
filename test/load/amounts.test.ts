import { expect, test } from 'vitest';
import { parseRange, parseRate } from '../../src/load/amounts.ts';

test.each([
  ['2000', 2000],
  ['0.5', 0.5],
  ['100000', 100_000],
  ['30s', 1 / 30],
  ['500ms', 2],
  ['1d', 1000 / 86_400_000],
])('the rate %s is %d messages per second', (text, perSecond) => {
  expect(parseRate(text)).toBeCloseTo(perSecond, 10);
});

test.each(['', '0', '-1', '100001', '0s', '2d', '1e3', 'fast', '10/s'])('"%s" is no rate', (text) => {
  expect(() => parseRate(text)).toThrow(`"${text}" is not a rate`);
});

test.each([
  ['300', [300, 300]],
  ['1..100', [1, 100]],
  ['7..7', [7, 7]],
])('%s is the range %j', (text, range) => {
  expect(parseRange(text, [1, 1000])).toEqual(range);
});

test.each([
  '',
  '0',
  '1001',
  '5..4',
  '1..1001',
  '1..',
  '..5',
  '1.5',
  '1-5',
])('"%s" is no range from 1 to 1000', (text) => {
  expect(() => parseRange(text, [1, 1000])).toThrow(`"${text}" is not a whole number from 1 to 1000`);
});
