import fc from 'fast-check';
import { expect, test } from 'vitest';
import { covers, isPublishable, overlap } from '../../src/core/subject.ts';

test.each([
  ['webhooks.*', 'webhooks.a'],
  ['webhooks.>', 'webhooks.*'],
  ['webhooks.>', 'webhooks.a.b'],
  ['>', 'webhooks.>'],
  ['a', 'a'],
  ['*.b', 'a.b'],
])('the pattern %s covers %s', (outer, inner) => {
  expect(covers(outer, inner)).toBe(true);
});

test.each([
  ['webhooks.*', 'webhooks.>'],
  ['webhooks.*', 'webhooks.a.b'],
  ['webhooks.a', 'webhooks.*'],
  ['webhooks.>', 'webhooks'],
  ['webhooks.*', 'webhooks'],
  ['webhooks', 'webhooks.a'],
])('the pattern %s does not cover %s', (outer, inner) => {
  expect(covers(outer, inner)).toBe(false);
});

test.each([
  ['a.*', '*.b', true],
  ['a.>', '*.b.c', true],
  ['a.*', 'a.b.c', false],
  ['a.b', 'a.c', false],
  ['a', 'a.>', false],
])('the patterns %s and %s overlap: %s', (a, b, expected) => {
  expect(overlap(a, b)).toBe(expected);
  expect(overlap(b, a)).toBe(expected);
});

const pattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([tokens, open]) => [...tokens, ...(open ? ['>'] : [])].join('.'));

test('a pattern overlaps with every pattern that it covers', () => {
  fc.assert(fc.property(pattern, pattern, (a, b) => !covers(a, b) || overlap(a, b)));
});

test.each([
  '',
  'a..b',
  'a.*',
  '>',
  'a b',
  'a\r\nb',
  'a\x7fb',
  '.a',
])('a message cannot be published to "%s"', (subject) => {
  expect(isPublishable(subject)).toBe(false);
});
