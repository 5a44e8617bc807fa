import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  idOfKey,
  idPrefix,
  messageIdOf,
  newId,
  parseIdempotencyKey,
} from '../../../src/core/ingest/webhook-id.ts';

const PAYMENTS = { name: 'payments', tenant: 'key1' };
const idIn = (scope: typeof PAYMENTS, key: string) => idOfKey(idPrefix(scope), scope, key);

describe('the Idempotency-Key header', () => {
  test.each([
    ['abc', 'abc'],
    ['"abc"', 'abc'],
    ['"a b"', 'a b'],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['x'.repeat(255), 'x'.repeat(255)],
    ['a:b/c=', 'a:b/c='],
    ['"', '"'],
  ])('%s is the key %s', (header, key) => {
    expect(parseIdempotencyKey(header)).toBe(key);
  });

  test.each([
    '',
    '""',
    'a b',
    'ü',
    '"a\tb"',
    'a\u0000',
    'x'.repeat(256),
    `"${'x'.repeat(256)}"`,
    'a, b',
  ])('%j is not valid', (header) => {
    expect(parseIdempotencyKey(header)).toBeNull();
  });
});

test('the same key of the same scope gives the same id, and any other one another id', () => {
  const id = idIn(PAYMENTS, 'tx_123');
  expect(idIn(PAYMENTS, 'tx_123')).toBe(id);
  const others = [
    idIn(PAYMENTS, 'tx_124'),
    idIn({ ...PAYMENTS, name: 'orders' }, 'tx_123'),
    idIn({ ...PAYMENTS, tenant: 'key2' }, 'tx_123'),
    idIn({ name: 'pay', tenant: 'mentskey1' }, 'tx_123'),
  ];
  expect(new Set([id, ...others]).size).toBe(5);
});

test('names that look alike in an id have other ids', () => {
  expect(idIn({ ...PAYMENTS, name: 'ü' }, 'k')).not.toBe(idIn({ ...PAYMENTS, name: 'ä' }, 'k'));
});

test('an id is its own key in its scope, so that a webhook without a key can be repeated under its id', () => {
  const made = newId(idPrefix(PAYMENTS), Buffer.alloc(16, 7));
  expect(idIn(PAYMENTS, made)).toBe(made);
  expect(idIn(PAYMENTS, idIn(PAYMENTS, 'tx_123'))).toBe(idIn(PAYMENTS, 'tx_123'));
});

test('the id of another tenant is a key like any other, so that nobody takes the ids of somebody else', () => {
  const other = idIn({ ...PAYMENTS, tenant: 'key2' }, 'tx_123');
  expect(idIn(PAYMENTS, other)).not.toBe(other);
});

test('every id is what Nats-Msg-Id and webhook-id allow, whatever the name and the key are', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.string(), (name, tenant, key) => {
      const id = idOfKey(idPrefix({ name, tenant }), { name, tenant }, key);
      expect(id).toMatch(/^[\w-]{27,67}$/);
      expect(messageIdOf(id)).toBe(`api-${id}`);
    }),
  );
});
