import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCidr, createAddressRules } from '../../../src/core/endpoint/address.ts';

const strict = createAddressRules({ allowedCidrs: [] });
const allowing = (...allowedCidrs: string[]) => createAddressRules({ allowedCidrs });

/** The first and last address of each refused range, and its allowed neighbours (null: another range refuses the neighbour). */
const RANGES: readonly [first: string, last: string, before: string | null, after: string | null][] = [
  ['0.0.0.0', '0.255.255.255', null, '1.0.0.0'],
  ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['224.0.0.0', '239.255.255.255', '223.255.255.255', null],
  ['240.0.0.0', '255.255.255.255', null, null],
  ['::', 'ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', null, '200::'],
  ['64:ff9b:1::', '64:ff9b:ffff:ffff:ffff:ffff:ffff:ffff', null, null],
  ['100::', '100::ffff:ffff:ffff:ffff', null, '100:0:0:1::'],
  ['2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', '2000:ffff::', '2001:200::'],
  ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff::', '2001:db9::'],
  ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff::', '2003::'],
  ['3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff::', '3fff:1000::'],
  ['5f00::', '5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '5eff:ffff::', '5f01::'],
  ['fc00::', 'fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fbff:ffff::', 'fe00::'],
  ['fe80::', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'fe7f:ffff::', null],
  ['fec0::', 'feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', null, null],
  ['ff00::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', null, null],
];

describe('without allowed ranges', () => {
  it.each(RANGES)('%s to %s is refused', (first, last) => {
    expect(strict.check(first)).not.toBeNull();
    expect(strict.check(last)).not.toBeNull();
  });

  it.each(
    RANGES.flatMap(([, , before, after]) => [before, after]).filter((address) => address !== null),
  )('%s, next to a refused range, is not refused', (address) => {
    expect(strict.check(address)).toBeNull();
  });

  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '93.184.215.14',
    '2606:4700:4700::1111',
    '2a00:1450:4001::1',
  ])('%s is not refused', (address) => {
    expect(strict.check(address)).toBeNull();
  });

  it('the reason names the refused range of an address', () => {
    expect(strict.check('10.1.2.3')).toBe(
      '10.1.2.3 is private (10.0.0.0/8), which ALLOWED_PRIVATE_CIDRS does not name',
    );
    expect(strict.check('fe80::1%eth0')).toBe(
      'fe80::1 is link-local (fe80::/10), which ALLOWED_PRIVATE_CIDRS does not name',
    );
  });

  it.each([
    ['mapped', '::ffff:127.0.0.1'],
    ['mapped, in hex', '::ffff:7f00:1'],
    ['mapped, in full', '0:0:0:0:0:ffff:7f00:0001'],
    ['mapped, of a public address', '::ffff:8.8.8.8'],
    ['compatible', '::127.0.0.1'],
    ['translated by NAT64', '64:ff9b::10.0.0.1'],
    ['translated by NAT64, in hex', '64:ff9b::a9fe:a9fe'],
    ['translated by a local NAT64', '64:ff9b:1::8.8.8.8'],
    ['wrapped by 6to4', '2002:7f00:1::'],
    ['wrapped by Teredo', '2001:0:4136:e378::1'],
    ['with a zone', 'fe80::1%25eth0'],
    ['in upper case', 'FD00::1'],
  ])('an address %s is refused: %s', (_, address) => {
    expect(strict.check(address)).not.toBeNull();
  });

  it('a public address translated by NAT64 is not refused', () => {
    expect(strict.check('64:ff9b::8.8.8.8')).toBeNull();
  });

  it.each([
    '',
    'example.com',
    '1.2.3',
    '0x7f.1',
    '1.2.3.4.5',
    '12345::',
    '[::1]',
    '%',
    'null',
  ])('%j is refused, since it is not an address', (text) => {
    expect(strict.check(text)).toBe(`${JSON.stringify(text)} is not an IP address`);
  });

  it('an IPv4 address is refused if and only if its NAT64 form is', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(strict.check(`64:ff9b::${address}`) === null).toBe(strict.check(address) === null);
      }),
    );
  });

  it('no text makes the checks throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV6(), fc.ipV4Extended()), (text) => {
        strict.check(text);
        strict.checkHost(text);
      }),
    );
  });
});

describe('the allowed range', () => {
  it.each([
    ['10.1.0.0/16', '10.1.255.255'],
    ['10.1.2.3/16', '10.1.0.0'],
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0/0', '192.168.1.1'],
    ['127.0.0.0/8', '::ffff:127.0.0.1'],
    ['10.0.0.0/8', '64:ff9b::10.2.3.4'],
    ['::1/128', '::1'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['fd00::/8', 'fd12:3456::1'],
    ['fe80::/10', 'fe80::1%eth0'],
    ['::ffff:10.0.0.0/104', '::ffff:10.9.9.9'],
    ['::/0', 'ff02::1'],
  ])('%s allows %s', (cidr, address) => {
    expect(strict.check(address)).not.toBeNull();
    expect(allowing('203.0.113.7', cidr).check(address)).toBeNull();
  });

  it.each([
    ['10.1.0.0/16', '10.2.0.0'],
    ['127.0.0.0/8', '::1'],
    ['127.0.0.0/8', '::127.0.0.1'],
    ['127.0.0.0/8', '2002:7f00:1::'],
    ['::1/128', '127.0.0.1'],
    ['::/0', '127.0.0.1'],
    ['0.0.0.0/0', 'fd00::1'],
    ['10.0.0.1', '10.0.0.2'],
  ])('%s does not allow %s', (cidr, address) => {
    expect(allowing(cidr).check(address)).not.toBeNull();
  });

  it.each([
    '',
    'private',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    '10.0.0.0/-1',
    '10.0.0.0/ 8',
    'fd00::/129',
    'fe80::1%eth0',
    '0x7f.0.0.1/8',
  ])('is named in the error if it is not a range: %j', (cidr) => {
    const message = `${JSON.stringify(cidr)} is not an address range: write it as 10.0.0.0/8 or fd00::/8`;
    expect(() => allowing('10.0.0.0/8', cidr)).toThrow(message);
    expect(() => checkCidr(cidr)).toThrow(message);
  });

  it('is returned by its check', () => {
    expect(checkCidr('10.0.0.0/8')).toBe('10.0.0.0/8');
  });
});

describe('ports', () => {
  it('are all allowed by default', () => {
    expect(strict.checkPort(25)).toBeNull();
  });

  it('are refused if ALLOWED_PORTS does not name them', () => {
    const rules = createAddressRules({ allowedCidrs: [], allowedPorts: [80, 443] });
    expect(rules.checkPort(443)).toBeNull();
    expect(rules.checkPort(25)).toBe('port 25 is not in ALLOWED_PORTS');
  });
});
