import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  composeApiKey,
  isSameHash,
  partsOfApiKey,
  RANDOM_BYTES,
  type StoredKey,
  tokenOf,
  whyNotValid,
} from '../../../src/core/access/api-key.ts';
import { configuredKeyText, parseConfiguredKey } from '../../../src/core/access/configured-key.ts';
import { NO_SCOPES } from '../../../src/core/access/scopes.ts';

const KEY = `whk_abcdEF12_${'x'.repeat(31)}9`;
const HASH = createHash('sha256').update(KEY).digest();

describe('a new key', () => {
  it('has the form whk_<8 characters>_<32 characters>, for all random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: RANDOM_BYTES, maxLength: RANDOM_BYTES }), (random) => {
        expect(composeApiKey(random)).toMatch(/^whk_[0-9A-Za-z]{8}_[0-9A-Za-z]{32}$/);
      }),
    );
  });

  it('has every character of the alphabet about equally often', () => {
    const counts = new Map<string, number>();
    for (let n = 0; n < 2000; n++) {
      const random = createHash('sha384').update(String(n)).digest();
      for (const character of composeApiKey(random).replace(/^whk_|_/g, '')) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(62);
    // 80,000 characters: 1290 of each, and a standard deviation of 36.
    for (const count of counts.values()) expect(Math.abs(count - 80_000 / 62)).toBeLessThan(6 * 36);
  });
});

describe('the parts of a key', () => {
  it('are its id, and the SHA-256 of its text', () => {
    expect(partsOfApiKey(KEY)).toEqual({ id: 'abcdEF12', hash: HASH });
  });

  it.each([
    '',
    'whk_',
    KEY.slice(0, -1),
    `${KEY}x`,
    ` ${KEY}`,
    `${KEY}\n`,
    KEY.replace('whk', 'WHK'),
    KEY.replace('9', '-'),
    KEY.replace('9', 'é'),
  ])('are null for %j', (text) => {
    expect(partsOfApiKey(text)).toBeNull();
  });

  it('are compared in full, and with hashes of any length', () => {
    const other = Buffer.from(HASH);
    expect(isSameHash(HASH, other)).toBe(true);
    other[31]! ^= 1;
    expect(isSameHash(HASH, other)).toBe(false);
    expect(isSameHash(HASH, HASH.subarray(0, 31))).toBe(false);
    expect(isSameHash(HASH, new Uint8Array())).toBe(false);
  });
});

describe('a key that is known', () => {
  const key: StoredKey = {
    id: 'a',
    name: 'n',
    scopes: NO_SCOPES,
    hash: HASH,
    expiresAt: null,
    revokedAt: null,
  };

  it.each([
    [{}, null],
    [{ expiresAt: 1001 }, null],
    [{ expiresAt: 1000 }, 'expired'],
    [{ expiresAt: 0 }, 'expired'],
    [{ revokedAt: 5000 }, 'revoked'],
    [{ revokedAt: 0 }, 'revoked'],
    [{ revokedAt: 1, expiresAt: 1 }, 'revoked'],
  ])('with %j at the time 1000 is refused as: %s', (times, why) => {
    const sentence = whyNotValid({ ...key, ...times }, 1000);
    if (why === null) expect(sentence).toBeNull();
    else expect(sentence).toContain(why);
  });
});

it.each([
  [{}, undefined],
  [{ authorization: `Bearer ${KEY}` }, KEY],
  [{ authorization: `bearer   ${KEY} ` }, KEY],
  [{ 'x-api-key': KEY }, KEY],
  [{ authorization: 'Basic YTpi', 'x-api-key': KEY }, KEY],
  [{ authorization: 'Bearer one', 'x-api-key': 'two' }, 'one'],
  [{ authorization: 'Basic YTpi' }, 'Basic YTpi'],
  [{ authorization: 'Bearer a b' }, 'Bearer a b'],
  [{ authorization: 'Bearer ' }, 'Bearer '],
  [{ 'x-api-key': ['a', 'b'] }, undefined],
])('the headers %j have the token %j', (headers, token) => {
  expect(tokenOf(headers)).toBe(token);
});

describe('an item of API_KEYS', () => {
  const hex = HASH.toString('hex');

  it.each([
    [KEY, ['*'], []],
    [`${KEY}=publish:payments+stats`, ['payments'], ['stats']],
    [`abcdEF12:${hex}`, ['*'], []],
    [`abcdEF12:${hex.toUpperCase()}=url`, [], ['url']],
  ])('is a key: %s', (text, publish, rights) => {
    expect(parseConfiguredKey(text)).toEqual({
      id: 'abcdEF12',
      name: 'API_KEYS abcdEF12',
      hash: HASH,
      scopes: { publish, rights: new Set(rights) },
      expiresAt: null,
      revokedAt: null,
    });
  });

  it.each([
    'secret',
    KEY.slice(1),
    `abcdEF1:${hex}`,
    `abcdEF12:${hex.slice(1)}`,
    `${KEY}=`,
    `${KEY}=root`,
    `=publish`,
  ])('is refused, without its text: %s', (text) => {
    const problem = parseConfiguredKey(text);
    expect(problem).toBeTypeOf('string');
    expect(problem).not.toContain('secret');
    expect(problem).not.toContain(KEY.slice(13));
  });

  it('is printed so that it can be parsed again', () => {
    const text = configuredKeyText({ id: 'abcdEF12', hash: HASH }, ['publish:a', 'stats']);
    expect(text).not.toContain(KEY.slice(13));
    expect(parseConfiguredKey(text)).toMatchObject({
      id: 'abcdEF12',
      hash: HASH,
      scopes: { publish: ['a'] },
    });
  });
});
