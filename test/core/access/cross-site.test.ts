import { describe, expect, it } from 'vitest';
import { checkCrossSite } from '../../../src/core/access/cross-site.ts';

const OWN = ['https://hooks.example.com'];
const HOST = '127.0.0.1:8080';

function check(headers: Record<string, string | string[]>, { method = 'POST', hasKey = false } = {}) {
  return checkCrossSite({ method, headers: { host: HOST, ...headers }, hasKey, origins: OWN });
}

/** What a browser sends when a user follows a link. */
const LINK = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

describe('a request', () => {
  it.each([
    ['of a program', {}],
    ['of our own page', { origin: 'http://127.0.0.1:8080', 'sec-fetch-site': 'same-origin' }],
    ['of our own page, in a browser without Fetch metadata', { origin: 'http://127.0.0.1:8080' }],
    ['of our own page behind a proxy that ends TLS', { origin: 'https://127.0.0.1:8080' }],
    ['of PUBLIC_URL', { origin: 'https://hooks.example.com', 'sec-fetch-site': 'same-origin' }],
    ['of PUBLIC_URL, with its port', { origin: 'https://hooks.example.com:443' }],
    ['typed into the address bar', { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate' }],
    ['on the default port', { host: 'localhost', origin: 'http://localhost:80' }],
    ['on the default port that is written', { host: 'localhost:80', origin: 'http://localhost' }],
  ])('%s is accepted', (_, headers) => {
    expect(check(headers)).toBeNull();
  });

  it.each([
    ['of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
    ['of another site, in a browser without Fetch metadata', { origin: 'https://evil.example' }],
    ['of another site without Origin', { 'sec-fetch-site': 'cross-site' }],
    ['of another port', { origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-site' }],
    ['of another port, in a browser without Fetch metadata', { origin: 'http://127.0.0.1:3000' }],
    ['of a subdomain of PUBLIC_URL', { origin: 'https://x.hooks.example.com' }],
    ['of PUBLIC_URL without TLS', { origin: 'http://hooks.example.com' }],
    ['of a sandboxed frame or a file', { origin: 'null' }],
    ['with an Origin that names its host in another way', { origin: 'http://127.0.0.1:8080/' }],
    ['with two Origins', { origin: ['http://127.0.0.1:8080', 'https://evil.example'] }],
    ['with an unknown Sec-Fetch-Site', { 'sec-fetch-site': 'elsewhere' }],
    ['with a user in the Origin', { origin: 'http://127.0.0.1:8080@evil.example' }],
    ['that opens a page by POST', LINK],
    [
      'with a foreign Origin and our own site',
      { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    ],
    ['of an extension', { origin: 'chrome-extension://abc' }],
  ])('%s is refused', (_, headers) => {
    expect(check(headers)).toContain('another site');
    expect(check(headers, { hasKey: true })).toBeNull();
  });

  it('that follows a link of another site is accepted', () => {
    expect(check(LINK, { method: 'GET' })).toBeNull();
  });

  it.each([
    ['of an image', { ...LINK, 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
    ['of a frame', { ...LINK, 'sec-fetch-dest': 'iframe' }],
    ['of fetch', { ...LINK, 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }],
  ])('by GET %s of another site is refused', (_, headers) => {
    expect(check(headers, { method: 'GET' })).toContain('another site');
  });
});
