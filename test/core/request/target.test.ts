import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Target } from '../../../src/core/request/target.ts';
import { appendQuery, endpointKey, parseTarget } from '../../../src/core/request/target.ts';

function target(url: string): Target {
  const result = parseTarget(url, 'webhook_url');
  if (result.kind !== 'target') throw new Error(result.detail);
  return result.target;
}

describe('a target', () => {
  it('has the parts of its URL that the HTTP client needs', () => {
    expect(target('HTTPS://Example.COM:8443/a/b?c=d#e')).toEqual({
      href: 'https://example.com:8443/a/b?c=d',
      origin: 'https://example.com:8443',
      path: '/a/b?c=d',
      hostname: 'example.com',
      port: 8443,
      endpointKey: endpointKey('https://example.com:8443', 'example.com'),
    });
  });

  it.each([
    ['http://example.com', 80],
    ['https://example.com', 443],
    ['http://example.com:443', 443],
    ['https://example.com:65535/', 65535],
  ])('of %s has port %i', (url, port) => {
    expect(target(url).port).toBe(port);
  });

  it('has an IPv6 address without brackets as its host', () => {
    expect(target('http://[2001:DB8::1]:8080/x')).toMatchObject({
      hostname: '2001:db8::1',
      origin: 'http://[2001:db8::1]:8080',
    });
  });

  it('keeps the encoding of path and query', () => {
    expect(target('http://example.com/a%2Fb/ü?q=%20+x&&=').path).toBe('/a%2Fb/%C3%BC?q=%20+x&&=');
  });

  it.each([
    '',
    'example.com',
    '/hook',
    '//example.com/hook',
    'ftp://example.com',
    'file:///etc/passwd',
    'javascript:1',
    'user:secret@example.com',
    'ws://example.com',
  ])('cannot be made of %j, and the reason says how a URL must begin', (url) => {
    expect(parseTarget(url, 'webhook_url')).toEqual({
      kind: 'malformed',
      detail: 'webhook_url is not an http or https URL: it must begin with https:// or http://',
    });
  });

  it.each([
    'http://',
    'https://exa mple.com',
    'http://example.com:99999',
    'http://[::1',
    'http://1.2.3.4.5/',
    'http://a%00b/',
    'http://256.256.256.256',
  ])('cannot be made of the invalid URL %j', (url) => {
    expect(parseTarget(url, 'url')).toEqual({ kind: 'malformed', detail: 'url is not a valid URL' });
  });

  it('cannot be made of a URL with port 0', () => {
    expect(parseTarget('http://example.com:0/', 'url')).toEqual({
      kind: 'malformed',
      detail: 'url has port 0',
    });
  });

  it.each([
    'http://user@example.com',
    'http://user:secret@example.com',
    'http://:secret@example.com',
    'https://a:b@[::1]/',
  ])('is forbidden with a user name or password, which the reason does not quote: %s', (url) => {
    expect(parseTarget(url, 'webhook_url')).toEqual({
      kind: 'forbidden',
      detail: 'webhook_url holds a user name or password; use an Authorization header',
    });
  });

  it('is parsed without throwing, and the reason never quotes the URL', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.string());
    fc.assert(
      fc.property(text, text, (before, after) => {
        const result = parseTarget(`${before}SECRET${after}`, 'url');
        if (result.kind !== 'target') expect(result.detail).not.toContain('SECRET');
      }),
    );
  });
});

describe('a query', () => {
  it.each([
    ['http://example.com', '/?a=1'],
    ['http://example.com/x', '/x?a=1'],
    ['http://example.com/x?', '/x?a=1'],
    ['http://example.com/x?b=2', '/x?b=2&a=1'],
    ['http://example.com/x?b=2&', '/x?b=2&a=1'],
    ['http://example.com/x#part', '/x?a=1'],
  ])('is appended to %s', (url, path) => {
    expect(appendQuery(target(url), 'a=1')).toMatchObject({ path, href: `http://example.com${path}` });
  });

  it('leaves the URL unchanged if it is empty', () => {
    const before = target('http://example.com/x');
    expect(appendQuery(before, '')).toBe(before);
  });
});

describe('the key of an endpoint', () => {
  it('starts with the host, without dots', () => {
    expect(target('https://api.example.com/x').endpointKey).toMatch(/^api-example-com-[0-9a-f]{8}$/);
  });

  it.each([
    ['the path', 'https://example.com/a', 'https://example.com/b?c'],
    ['the case of the host', 'https://EXAMPLE.com', 'https://example.com'],
    ['a default port in the URL', 'https://example.com:443', 'https://example.com'],
  ])('does not depend on %s', (_, one, other) => {
    expect(target(one).endpointKey).toBe(target(other).endpointKey);
  });

  it.each([
    ['schemes', 'http://example.com:443', 'https://example.com'],
    ['ports', 'https://example.com:8443', 'https://example.com'],
    ['hosts', 'https://a.example.com', 'https://a-example.com'],
  ])('differs for different %s', (_, one, other) => {
    expect(target(one).endpointKey).not.toBe(target(other).endpointKey);
  });

  it('is a short lower-case token of a subject for any URL', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
      fc.string({ minLength: 1 }),
    );
    fc.assert(
      fc.property(host, (name) => {
        const result = parseTarget(`http://${name}/`, 'url');
        fc.pre(result.kind === 'target');
        // Of a host such as "." nothing can be shown.
        expect(result.target.endpointKey).toMatch(/^[a-z0-9-]{0,70}-[0-9a-f]{8}$/);
      }),
    );
  });

  it('stays short for a long host', () => {
    const long = `${'a'.repeat(60)}.`.repeat(4);
    expect(target(`http://${long}com/`).endpointKey).toHaveLength(79);
  });
});
