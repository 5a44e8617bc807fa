import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeOrderingKey,
  encodeOrderingKey,
  orderingKeyProblem,
  orderingToken,
} from '../../../src/core/message/ordering-key.ts';
import { isPublishable } from '../../../src/core/subject.ts';

describe('the token of an ordering key', () => {
  it.each(['customer-17', 'A', '0', '_', 'a'.repeat(64)])('is the key itself for %s', (key) => {
    expect(orderingToken(key)).toBe(key);
  });

  it.each([
    ['eu.customer', /^eu_customer~[\w-]{32}$/],
    ['*', /^_~[\w-]{32}$/],
    ['>', /^_~[\w-]{32}$/],
    ['two words', /^two_words~[\w-]{32}$/],
    ['a'.repeat(65), /^a{24}~[\w-]{32}$/],
    ['ключ', /^_~[\w-]{32}$/],
    ['é'.repeat(100), /^_~[\w-]{32}$/],
    ['$SYS', /^_SYS~[\w-]{32}$/],
  ])('hides what no token may have, and tells keys apart by a hash: %s', (key, token) => {
    expect(orderingToken(key)).toMatch(token);
  });

  it('differs for keys that look alike', () => {
    const keys = [
      'a.b',
      'a b',
      'a_b',
      'a*b',
      'A.b',
      'a..b',
      ' a.b',
      'é',
      'e\u0301',
      'a%20b',
      'a%2Eb',
      orderingToken('a.b'),
    ];
    expect(new Set(keys.map(orderingToken)).size).toBe(keys.length);
  });

  it('is one token to publish to, of bounded length, and another one for each key', () => {
    const keys = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
      .filter((key) => key.isWellFormed());
    fc.assert(
      fc.property(keys, keys, (one, other) => {
        const token = orderingToken(one);
        expect(isPublishable(`webhooks.ordered.${token}`) && !token.includes('.')).toBe(true);
        expect(token.length).toBeLessThanOrEqual(64);
        expect(token === orderingToken(other)).toBe(one === other);
      }),
    );
  });
});

describe('an ordering key in a NATS header', () => {
  it('is visible ASCII, and can be read back', () => {
    const keys = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 60 })
      .filter((key) => key.isWellFormed());
    fc.assert(
      fc.property(keys, (key) => {
        const text = encodeOrderingKey(key);
        expect(text).toMatch(/^[\x21-\x7e]+$/);
        expect(decodeOrderingKey(text)).toBe(key);
      }),
    );
  });

  it('stands for itself where it is not percent-encoded', () => {
    expect(decodeOrderingKey('100%')).toBe('100%');
  });
});

describe('a text that can be an ordering key', () => {
  it.each([
    ['a', null],
    ['é'.repeat(100), null],
    ['é'.repeat(101), 'an ordering key has at most 200 bytes of UTF-8'],
    ['', 'an ordering key must not be empty: leave it out for no order'],
    ['\ud800', 'an ordering key must be valid Unicode'],
  ])('%s: %s', (key, problem) => {
    expect(orderingKeyProblem(key)).toBe(problem);
  });
});
