import { describe, expect, it } from 'vitest';
import { allows, type Need, parseScopes, type Scopes } from '../../../src/core/access/scopes.ts';

const scopesOf = (...texts: string[]) => {
  const scopes = parseScopes(texts);
  expect(scopes).toBeTypeOf('object');
  return scopes as Scopes;
};

describe('a key with the scope', () => {
  it.each([
    ['publish:payments', 'payments', true],
    ['publish:payments', 'Payments', false],
    ['publish:payments', 'payments2', false],
    ['publish:payments', 'my-payments', false],
    ['publish', 'anything', true],
    ['publish:*', 'anything', true],
    ['publish:*', '', true],
    ['publish:orders-*', 'orders-eu', true],
    ['publish:orders-*', 'orders-', true],
    ['publish:orders-*', 'orders', false],
    ['publish:*-orders', 'eu-orders', true],
    ['publish:*-orders', 'eu-orders-2', false],
    ['publish:a*b*c', 'abc', true],
    ['publish:a*b*c', 'a-b-b-c', true],
    ['publish:a*b*c', 'acb', false],
    ['publish:aa*aa', 'aaa', false],
    ['publish:aa*aa', 'aaaa', true],
    ['publish:*aab*', 'aaaab', true],
    ['publish:.*', 'anything', false],
    ['publish:?', 'x', false],
    ['url', 'payments', false],
    ['administer', 'payments', false],
  ])('%s: may publish to %j: %s', (scope, name, expected) => {
    expect(allows(scopesOf(scope), { publish: name })).toBe(expected);
  });

  it.each([
    ['publish', []],
    ['url', ['url']],
    ['stats', ['stats']],
    ['read', ['stats', 'read']],
    ['operate', ['stats', 'read', 'operate']],
    ['administer', ['stats', 'read', 'operate', 'administer']],
  ])('%s has exactly the rights %j', (scope, expected) => {
    const rights: Need[] = ['url', 'stats', 'read', 'operate', 'administer'];
    expect(rights.filter((right) => allows(scopesOf(scope), right))).toEqual(expected);
  });

  it('publish with many wildcards is decided in time, whatever the name is', () => {
    const scopes = scopesOf(`publish:${'a*'.repeat(99)}b`);
    expect(allows(scopes, { publish: 'a'.repeat(200_000) })).toBe(false);
  });
});

it('a key without scopes allows nothing', () => {
  expect(allows(scopesOf(), { publish: 'payments' })).toBe(false);
  expect(allows(scopesOf(), 'stats')).toBe(false);
});

it.each([
  '',
  ' ',
  'Publish',
  'publish:',
  'publish: a',
  'publish:a,b',
  'publish:a+b',
  `publish:${'a'.repeat(201)}`,
  'publishing',
  'root',
  'stats:payments',
  'administer\n',
])('%j is not a scope', (text) => {
  expect(parseScopes(['publish', text])).toBe(
    `"${text}" is not a scope: publish:<name>, publish:<pattern with *>, url, stats, read, operate, administer`,
  );
});
