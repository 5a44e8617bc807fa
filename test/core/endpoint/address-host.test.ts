import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAddressRules } from '../../../src/core/endpoint/address.ts';
import { parseTarget } from '../../../src/core/request/target.ts';

const strict = createAddressRules({ allowedCidrs: [] });
const allowing = (...allowedCidrs: string[]) => createAddressRules({ allowedCidrs });

describe('the host of a URL', () => {
  const checkUrl = (host: string, rules = strict) => {
    const result = parseTarget(`http://${host}/`, 'url');
    return result.kind === 'target' ? rules.checkHost(result.target.hostname) : result.detail;
  };

  it.each([
    '127.0.0.1',
    '127.1',
    '127.0.1',
    '127.0.0.1.',
    '0x7f.0.0.1',
    '0X7F.1',
    '0x7f000001',
    '0177.0.0.1',
    '0177.1',
    '017700000001',
    '2130706433',
    '127.0.0.0x1',
    '0',
    '0.0.0.0',
    '0x0',
    '%31%32%37.0.0.1',
    '127%2e0%2e0%2e1',
    '１２７.０.０.１',
    '127。0。0。1',
    '①②⑦.⓪.⓪.①',
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '10.1',
    '192.168.257',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:FF9B::7F00:1]',
    '[2002:7f00:1::]',
    '[fd00::1]',
    '[fe80::1]',
    'localhost',
    'LOCALHOST',
    'localhost.',
    'app.localhost',
    'a.b.localhost.',
    'ｌｏｃａｌｈｏｓｔ',
    'loc%61lhost',
    'loca\u00adlhost',
    'local\thost',
  ])('is refused if it is %s', (host) => {
    expect(checkUrl(host)).not.toBeNull();
  });

  it.each([
    'example.com',
    'localhost.example.com',
    'mylocalhost',
    '127.0.0.1.example.com',
    '8.8.8.8',
    '134744072',
    '[2606:4700::1]',
  ])('is not refused if it is %s', (host) => {
    expect(checkUrl(host)).toBeNull();
  });

  it.each([
    '127.0.0.0/8',
    '::1',
  ])('may be localhost if %s is allowed, since the lookup checks its addresses', (cidr) => {
    expect(checkUrl('localhost', allowing(cidr))).toBeNull();
  });

  it('may be an address in an allowed range, in every spelling', () => {
    expect(checkUrl('0x7f.1', allowing('127.0.0.0/8'))).toBeNull();
    expect(checkUrl('[::ffff:127.0.0.1]', allowing('127.0.0.0/8'))).toBeNull();
  });

  it('is refused in every spelling of a refused IPv4 address', () => {
    const part = (value: number) =>
      fc.constantFrom(String(value), `0x${value.toString(16)}`, `0${value.toString(8)}`);
    const spelling = fc
      .tuple(
        fc.constantFrom(10, 127, 224, 0, 255),
        fc.nat(255),
        fc.nat(255),
        fc.nat(255),
        fc.integer({ min: 0, max: 3 }),
      )
      .chain(([a, b, c, d, joined]) => {
        const bytes = [a, b, c, d];
        const last = bytes.slice(3 - joined).reduce((sum, byte) => sum * 256 + byte, 0);
        return fc.tuple(...[...bytes.slice(0, 3 - joined), last].map(part)).map((parts) => parts.join('.'));
      });
    fc.assert(
      fc.property(spelling, (host) => {
        expect(checkUrl(host)).not.toBeNull();
      }),
    );
  });
});
