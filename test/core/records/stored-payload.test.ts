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
