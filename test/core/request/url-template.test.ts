import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUrl } from '../../../src/core/request/url.ts';
import { fillUrl } from '../../../src/core/request/url-template.ts';

function filled(url: string, data: unknown) {
  const found = parseUrl(url, 'url');
  if (found.kind === 'target') return found.target.href;
  if (found.kind !== 'template') return found.detail;
  const json = Buffer.from(typeof data === 'string' ? data : JSON.stringify(data));
  const target = fillUrl(found, json, 'the payload');
  return 'kind' in target ? target.detail : target.href;
}

describe('a placeholder in a URL', () => {
  it.each<[string, unknown, string]>([
    ['https://a.example/u/{id}', { id: 7 }, 'https://a.example/u/7'],
    ['https://a.example/?t={tx}&v={value}', { tx: 'a b', value: true }, 'https://a.example/?t=a%20b&v=true'],
    ['https://a.example?u={user.ids.1}', { user: { ids: [1, 2] } }, 'https://a.example/?u=2'],
    ['https://a.example/{a}-{b}/x{a}', { a: 1, b: 2 }, 'https://a.example/1-2/x1'],
    ['https://a.example/{a_b.c-d}', { a_b: { 'c-d': 'ü' } }, 'https://a.example/%C3%BC'],
    [
      'https://a.example/?n={n}',
      '{"n":12345678901234567890.10}',
      'https://a.example/?n=12345678901234567890.10',
    ],
    ['https://a.example/?n={n}', '{"n":1e+5}', 'https://a.example/?n=1e%2B5'],
    ['https://a.example/?empty={s}', { s: '' }, 'https://a.example/?empty='],
    ['https://a.example/x/{a}/../y?z={z}', { z: 1 }, 'https://a.example/x/y?z=1'],
    ['https://a.example/p#{nothing}', {}, 'https://a.example/p'],
    ['https://a.example/z0i0z/{a}', { a: 1 }, 'https://a.example/z0i0z/1'],
    ['HTTPS://A.example:443/{a}', { a: 1 }, 'https://a.example/1'],
    ['https://a.example/\n{a}', { a: 1 }, 'https://a.example/1'],
  ])('is filled: %s, from %j, becomes %s', (url, data, href) => {
    expect(filled(url, data)).toBe(href);
  });

  it.each([
    '..../a..b/admin',
    'a/b',
    '?x=1',
    '#f',
    '\\',
    '%2e%2e',
    'a&b=c',
    '\r\nX: y',
    '\ud800',
  ])('with the value %j changes only its own part of the URL', (value) => {
    const url = new URL(filled('https://a.example/u/{id}/end?q={id}', { id: value }));
    expect(url.pathname).toBe(`/u/${encodeURIComponent(value.toWellFormed())}/end`);
    expect([...url.searchParams]).toEqual([['q', value.toWellFormed()]]);
  });

  it.each<[string, unknown]>([
    ['{id}', ''],
    ['{id}', '.'],
    ['{id}', '..'],
    ['.{id}', '.'],
    ['{id}.', '.'],
    ['%2e{id}', '.'],
    ['{id}{no}', ''],
    ['{id}', 'a/../../admin'],
    ['{id}', '..\\admin'],
    ['a%2F{id}', '..'],
    ['a{id}', '/.'],
  ])('in %s is malformed if the value %j leads to another path', (segment, id) => {
    const detail = 'url: {id} is empty, or holds . or .. between slashes, which would lead to another path';
    expect(filled(`https://a.example/users/${segment}/delete`, { id, no: '' })).toBe(detail);
    expect(filled(`https://a.example/users/${segment}`, { id, no: '' })).toBe(detail);
  });

  it.each<[unknown, string]>([
    [{}, 'url: {a.b} is not in the payload'],
    [{ a: 1 }, 'url: {a.b} is not in the payload'],
    [{ a: { b: null } }, 'url: {a.b} is null in the payload'],
    [{ a: { b: { secret: 1 } } }, 'url: {a.b} is an object in the payload'],
    [{ a: { b: ['secret'] } }, 'url: {a.b} is an array in the payload'],
    ['hello', 'url: {a.b} cannot be filled, since the payload is not JSON'],
  ])('is malformed if %j has no text for it', (data, detail) => {
    expect(filled('https://a.example/{a.b}', data)).toBe(detail);
  });

  it('cannot make the URL longer than 65536 characters', () => {
    const url = `https://a.example/?${'{v}'.repeat(100_000)}`;
    expect(filled(url, { v: 'x'.repeat(100_000) })).toBe(
      'url is longer than 65536 characters with {v} filled',
    );
    expect(filled('https://a.example/?{v}', { v: 'x'.repeat(60_000) })).toHaveLength(60_019);
  });

  it('may name at most 32 keys', () => {
    const path = (keys: number) => Array.from({ length: keys }, () => 'a').join('.');
    expect(filled(`https://a.example/?{${path(32)}}`, {})).toMatch(/is not in the payload$/);
    expect(filled(`https://a.example/?{${path(33)}}`, {})).toMatch(/^https:/);
  });

  it.each([
    'https://{host}/',
    'https://{host}',
    'https://a.{host}/{x}',
    'https://a.example{x}',
    'https://a.example:{port}/',
    'https://{user}:{password}@a.example/',
    'https://{user}@a.example/',
    '{scheme}://a.example/',
    'http{s}://a.example/',
    '{base}/path',
    'https:{host}/',
    'https:///{host}/',
    'https:\\\\{host}\\x',
    'https:/\t/{host}/x',
    ' https://{host}/x',
    'https://[{host}]/',
  ])('in %j is malformed, since it could choose the host', (url) => {
    expect(parseUrl(url, 'url')).toEqual({
      kind: 'malformed',
      detail: expect.stringMatching(/^url has the placeholder \{\w+\} before its path: /),
    });
  });

  it.each([
    ['{{user_id}}', 'https://a.example/{{user_id}}/hook'],
    ['{{data.id}}', 'https://a.example/?u={{data.id}}&v=1'],
    ['{user_id', 'https://a.example/?u={user_id'],
    ['{user.id', 'https://a.example/?u={user.id&v=1'],
    ['{user_id', 'https://a.example/{user_id/{x}'],
  ])('that is written as %s is malformed, since it would be sent unfilled', (written, url) => {
    expect(parseUrl(url, 'url')).toMatchObject({
      detail: `url has ${written}: a placeholder in it is written {name} or {a.b.0}`,
    });
  });

  it.each([
    'https://a.example/%{x}',
    'https://a.example/?q=%2{x}',
  ])('in %s is malformed, since its value would become part of an escape', (url) => {
    expect(parseUrl(url, 'url')).toMatchObject({
      detail: 'url has half an escape (%) before the placeholder {x}',
    });
  });

  it.each([
    'https://a.example/?filter={"a":1}',
    'https://a.example/?q={}&r={1}&s={a b}&t={a:1}&u={a..b}&v={.a}&w={-a}',
    'https://a.example/a{2}/b{,3}',
    'https://a.example/%7Bname%7D',
  ])('is not recognised in the braces of %s', (url) => {
    expect(filled(url, {})).toBe(new URL(url).href);
  });

  it('with any value neither chooses the host nor adds a segment to the path', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (value) => {
        const href = filled('https://a.example:8443/a/{v}/b?q={v}&r=1', { v: value });
        if (href.startsWith('url: {v} is empty, or holds . or .. between slashes')) return;
        const url = new URL(href);
        expect(href).toMatch(/^[\x21-\x7e]*$/);
        expect(url.origin).toBe('https://a.example:8443');
        expect(url.pathname.split('/')).toHaveLength(4);
        expect(decodeURIComponent(url.pathname.split('/')[2]!)).toBe(value.toWellFormed());
        expect([...url.searchParams]).toEqual([
          ['q', value.toWellFormed()],
          ['r', '1'],
        ]);
      }),
    );
  });

  it('at any position never chooses the host', () => {
    const piece = fc.constantFrom(
      'http',
      's',
      ':',
      '/',
      '\\',
      '@',
      '?',
      '#',
      '.',
      '%',
      '2',
      '{v}',
      '{w}',
      'a',
      '\t',
      '[',
      ']',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const found = parseUrl(`https:${pieces.join('')}`, 'url');
        if (found.kind !== 'template') return;
        const target = fillUrl(found, Buffer.from('{"v":"evil.example","w":"@evil.example/"}'), 'data');
        if ('kind' in target) return;
        expect(target.origin).toBe(found.target.origin);
        expect(new URL(target.href).origin).toBe(found.target.origin);
        expect(found.target.origin).not.toMatch(/evil|z\di/);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the endpoint of a URL with placeholders', () => {
  it.each([
    'origin',
    'url',
  ] as const)('has one key for all values of the placeholders (ENDPOINT_KEY=%s)', (keyOf) => {
    const found = parseUrl('https://a.example/{v}?q={v}', 'webhook_url', keyOf);
    if (found.kind !== 'template') throw new Error(found.kind);
    const keys = ['1', '2']
      .map((v) => fillUrl(found, Buffer.from(`{"v":${v}}`), 'data'))
      .map((target) => 'endpointKey' in target && target.endpointKey);
    expect(keys).toEqual([found.target.endpointKey, found.target.endpointKey]);
  });

  it('has the key of its origin, or with ENDPOINT_KEY=url the key of the template without its query', () => {
    const keyOf = (url: string, by: 'origin' | 'url') => {
      const found = parseUrl(url, 'webhook_url', by);
      return 'target' in found && found.target.endpointKey;
    };
    const url = 'https://a.example/{v}';
    expect(keyOf(url, 'origin')).toBe(keyOf('https://a.example/', 'origin'));
    expect(keyOf(url, 'url')).toBe(keyOf(`${url}?q={w}`, 'url'));
    expect(keyOf(url, 'url')).not.toBe(keyOf('https://a.example/{w}', 'url'));
  });
});
