import { expect, test } from 'vitest';
import { LEAST_PAYLOAD_BYTES, payloads } from '../../src/load/payload.ts';

test.each([
  LEAST_PAYLOAD_BYTES,
  300,
  65_536,
  65_537,
  1_000_000,
])('a payload has exactly %i bytes, and is JSON', (bytes) => {
  const payload = payloads(1)(1_000_000, bytes);
  expect(payload).toHaveLength(bytes);
  expect(JSON.parse(payload.toString())).toMatchObject({ event: 'load.sent', number: 1_000_000 });
});

test('payloads differ by number and by seed, and are the same for the same seed', () => {
  const text = (seed: number, number: number) => JSON.parse(payloads(seed)(number, 300).toString()).padding;
  expect(text(1, 1)).toBe(text(1, 1));
  expect(text(1, 2)).not.toBe(text(1, 1));
  expect(text(2, 1)).not.toBe(text(1, 1));
});
