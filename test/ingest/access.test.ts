import { expect, test } from 'vitest';
import { parseScopes, type Scopes } from '../../src/core/access/scopes.ts';
import { createAccess, hostCheck } from '../../src/ingest/access.ts';
import type { KeyVerdict } from '../../src/ingest/api-keys.ts';

const scopes = parseScopes(['publish:pay*']) as Scopes;
const KEY = { id: 'abcdefgh', name: 'shop', scopes };

function access(verdicts: readonly KeyVerdict[]) {
  const left = [...verdicts];
  const asked: (string | undefined)[] = [];
  const keys = {
    verify: (token: string | undefined) => {
      asked.push(token);
      return left.shift()!;
    },
    refreshed: async () => {},
  };
  return { asked, check: createAccess({ keys, origins: ['https://hooks.example.com'], now: () => 0 }) };
}
const head = (headers: Record<string, string>) => ({ method: 'POST', headers: { host: 'a', ...headers } });
const unknown = {
  refused: 401,
  sentence: 'The service does not know this API key.',
  isKnown: false,
} as const;

test('a caller with a key may do what its scopes say', async () => {
  const { check, asked } = access([{ key: KEY }]);
  const caller = await check.callerOf(head({ authorization: 'Bearer whk_1' }));
  if ('kind' in caller) throw new Error(caller.detail);
  expect([caller.id, caller.refusal({ publish: 'payments' }), asked]).toEqual(['abcdefgh', null, ['whk_1']]);
  expect(caller.refusal({ publish: 'orders' })).toMatchObject({
    kind: { status: 403 },
    detail: expect.stringContaining('publish:orders'),
  });
  expect(caller.refusal('url')).toMatchObject({ kind: { status: 403 } });
});

test('a key that was made a moment ago is known after one more look', async () => {
  const { check } = access([unknown, { key: KEY }]);
  expect(await check.callerOf(head({ authorization: 'bearer whk_1' }))).toMatchObject({ id: 'abcdefgh' });
});

test.each([
  ['no key', {}, undefined],
  ['a key of another scheme', { authorization: 'Basic YTpi' }, undefined],
  ['an unknown key', { authorization: 'Bearer whk_2' }, 'whk_2'],
])('%s is refused with 401', async (_, headers, token) => {
  const { check, asked } = access([unknown, unknown]);
  expect(await check.callerOf(head(headers as Record<string, string>))).toMatchObject({
    kind: { status: 401 },
  });
  expect(asked[0]).toBe(token);
});

test('a caller that cannot set Authorization may send X-API-Key', async () => {
  const { check, asked } = access([{ key: KEY }]);
  expect(await check.callerOf(head({ 'x-api-key': 'whk_1' }))).toMatchObject({ id: 'abcdefgh' });
  expect(asked).toEqual(['whk_1']);
});

test('while the keys were never read, the answer is 503', async () => {
  const { check } = access([{ refused: 503, sentence: 'Unread.', isKnown: true }]);
  expect(await check.callerOf(head({ authorization: 'Bearer whk_1' }))).toMatchObject({
    kind: { status: 503 },
    retryAfterSeconds: 2,
  });
});

test('in open mode everybody may do everything, but no page of another site', async () => {
  const check = createAccess({ keys: null, origins: [], now: () => 0 });
  expect(await check.callerOf(head({}))).toMatchObject({ id: '' });
  expect(await check.callerOf(head({ origin: 'http://evil' }))).toMatchObject({
    kind: { slug: 'cross-site' },
  });
  expect(await check.callerOf(head({ origin: 'http://evil', authorization: 'Bearer x' }))).toMatchObject({
    kind: { slug: 'cross-site' },
  });
});

test('every listener answers only for its own hosts', () => {
  const check = hostCheck(['hooks.example.com']);
  expect([check('hooks.example.com:8080'), check('localhost'), check('127.0.0.1:1')]).toEqual([
    null,
    null,
    null,
  ]);
  expect(check('evil.example')).toMatchObject({ kind: { status: 421 } });
});
