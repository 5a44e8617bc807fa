import { expect, test } from 'vitest';
import { randomBytesOf } from '../../src/runtime/random-bytes.ts';

test('no two calls return the same bytes, and bytes returned before stay as they are', () => {
  const next = randomBytesOf(16);
  const all = Array.from({ length: 1000 }, () => Buffer.from(next()).toString('hex'));
  const first = next();
  const text = Buffer.from(first).toString('hex');
  for (let call = 0; call < 1000; call++) next();
  expect([new Set(all).size, first.length, Buffer.from(first).toString('hex')]).toEqual([1000, 16, text]);
});
