import { expect, it } from 'vitest';
import { type Destination, surelyForbids } from '../../../src/core/endpoint/forbidden.ts';
import type { DecidingSettings } from '../../../src/core/records/worker-instance.ts';

const SETTINGS = { ALLOWED_PRIVATE_CIDRS: [], ALLOWED_PORTS: [], EGRESS_PROXY: null };
const TO: Destination = { hostname: 'hook.test', port: 443, addresses: ['10.0.0.1'] };

it.each<[string, DecidingSettings | null, Partial<Destination>, boolean]>([
  ['a private address', SETTINGS, {}, true],
  ['an address literal', SETTINGS, { hostname: '127.0.0.1', addresses: undefined }, true],
  ['a name with one private address of two', SETTINGS, { addresses: ['1.1.1.1', '10.0.0.1'] }, true],
  ['a public address', SETTINGS, { addresses: ['1.1.1.1'] }, false],
  ['a network that it allows', { ...SETTINGS, ALLOWED_PRIVATE_CIDRS: ['10.0.0.0/8'] }, {}, false],
  ['a port that it does not allow', { ...SETTINGS, ALLOWED_PORTS: [80] }, { addresses: ['1.1.1.1'] }, true],
  ['a name that its proxy resolves', { ...SETTINGS, EGRESS_PROXY: 'http://proxy:3128' }, {}, false],
  [
    'an address literal in spite of its proxy',
    { ...SETTINGS, EGRESS_PROXY: 'http://proxy:3128' },
    { hostname: '10.0.0.1' },
    true,
  ],
  ['anything, where its settings are not known', null, {}, false],
  ['anything, where its settings say nothing', {}, {}, false],
  ['anything, where a range cannot be read', { ...SETTINGS, ALLOWED_PRIVATE_CIDRS: ['?'] }, {}, false],
])('a worker surely forbids %s: %#', (_what, settings, to, expected) => {
  expect(surelyForbids(settings, { ...TO, ...to })).toBe(expected);
});
