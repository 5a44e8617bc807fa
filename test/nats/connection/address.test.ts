import { expect, test } from 'vitest';
import { parseAddress, printAddress } from '../../../src/nats/connection/address.ts';

const parts = (url: string) => {
  const { hostPort, tls, user, pass, token } = parseAddress(url);
  return { hostPort, tls, user, pass, token };
};
const plain = { tls: false, user: undefined, pass: undefined, token: undefined };

test.each([
  ['nats://example.com:4333', { ...plain, hostPort: 'example.com:4333' }],
  ['example.com', { ...plain, hostPort: 'example.com:4222' }],
  ['  nats://example.com/ ', { ...plain, hostPort: 'example.com:4222' }],
  ['tls://example.com', { ...plain, hostPort: 'example.com:4222', tls: true }],
  ['nats://[::1]:4333', { ...plain, hostPort: '[::1]:4333' }],
  ['nats://ann:secret@host:4333', { ...plain, hostPort: 'host:4333', user: 'ann', pass: 'secret' }],
  ['nats://t0ken@host', { ...plain, hostPort: 'host:4222', token: 't0ken' }],
])('the address "%s" is valid', (url, expected) => {
  expect(parts(url)).toEqual(expected);
});

test('a password of digits is not taken for the port', () => {
  expect(parts('nats://ann:1234@host:4333')).toMatchObject({ hostPort: 'host:4333', pass: '1234' });
});

test('a password may be percent-encoded', () => {
  expect(parts('nats://ann:p%40ss%2F@host')).toMatchObject({ pass: 'p@ss/' });
});

test('a password may contain characters that a URL forbids, without encoding', () => {
  expect(parts('nats://ann:p@s/s#100%@host')).toMatchObject({ hostPort: 'host:4222', pass: 'p@s/s#100%' });
});

test.each([
  'http://host',
  'nats://',
  'nats://host:0',
  'nats://host:99999',
  'nats://host:port',
  'host name',
])('the address "%s" is refused, and the error names the setting', (url) => {
  expect(() => parseAddress(url)).toThrow(/NATS_URL/);
});

test('the error about an invalid address does not repeat it, because it may contain a password', () => {
  expect(() => parseAddress('nats://ann:s3cret#host:4222')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('s3cret') }),
  );
});

test('an address is shown without user and password', () => {
  expect(printAddress(parseAddress('tls://ann:s3cret@host'))).toBe('tls://host:4222');
});
