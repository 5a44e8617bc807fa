import { expect, test } from 'vitest';
import { LONGEST_NAME, nameProblem } from '../../../src/core/ingest/webhook-name.ts';

test.each([
  'payments',
  'a',
  'order_created-2',
  'Bestellung-ü',
  '支付',
  'x'.repeat(LONGEST_NAME),
  'ordered',
  'a+b',
  'a:b',
])('%s is a name', (name) => {
  expect(nameProblem(name)).toBeNull();
});

test.each([
  ['', /1 to 255 bytes/],
  ['a.b', /no dot/],
  ['a b', /white space/],
  ['*', /NATS subject/],
  ['>', /NATS subject/],
  ['a/b', /NATS subject/],
  ['a\u0000', /NATS subject/],
  ['a\u007f', /NATS subject/],
  ['a\u2028', /NATS subject/],
  ['a\ud800', /NATS subject/],
  ['ü'.repeat(128), /255 bytes/],
  ['batch', /path of this API/],
  ['stats', /path of this API/],
])('%j is none', (name, sentence) => {
  expect(nameProblem(name)).toMatch(sentence);
});
