import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { storedPayload } from '../../../src/core/records/stored-payload.ts';

const stored = (text: string, maxBytes = 1000) => storedPayload(Buffer.from(text), maxBytes);

describe('a stored payload', () => {
  it.each([
    [
      'is unchanged if it is JSON',
      '{"n":12345678901234567890, "a":1.0}',
      '{"n":12345678901234567890, "a":1.0}',
    ],
    ['is a string if the payload is not JSON', 'a=1&b="2"', '"a=1&b=\\"2\\""'],
    ['is an empty string for an empty body', '', '""'],
    [
      'is a string if the JSON holds NUL, which jsonb cannot store',
      '{"a":"\\u0000"}',
      '"{\\"a\\":\\"\\\\u0000\\"}"',
    ],
    ['is a string if the JSON holds a number that jsonb cannot store', '[1e999999]', '"[1e999999]"'],
  ])('%s', (_what, given, expected) => {
    expect(stored(given)).toBe(expected);
  });

  it('is cut at the given size', () => {
    expect(stored('{"a":"bcdef"}', 5)).toBe('"{\\"a\\":…"');
  });

  it('is a string if the JSON is nested too deep', () => {
    const deep = '['.repeat(600) + ']'.repeat(600);
    expect(stored(deep, 10_000)).toBe(JSON.stringify(deep));
  });

  it.each([
    ['with the longest fraction that numeric holds', `0.${'1'.repeat(16_383)}`, true],
    ['with a longer fraction', `0.${'1'.repeat(16_384)}`, false],
    ['with a fraction that its exponent makes longer', `0.${'1'.repeat(15_900)}e-999`, false],
    ['with an exponent that makes it smaller', `0.${'1'.repeat(15_900)}e-9`, true],
    ['with the most digits that numeric holds', '1'.repeat(131_072), true],
    ['with more digits', '1'.repeat(131_073), false],
  ])('that is a number %s stays a number only if jsonb can store it', (_what, number, isNumber) => {
    expect(stored(`{"n":${number}}`, 1_000_000).startsWith('{"n":')).toBe(isNumber);
  });

  it('is JSON without NUL for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (bytes, maxBytes) => {
        const text = storedPayload(bytes, maxBytes);
        expect(() => JSON.parse(text)).not.toThrow();
        expect(text).not.toContain('\\u0000');
      }),
    );
  });
});
