import { expect, test } from 'vitest';
import { settingsFrom } from '../../../src/config/settings.ts';
import { settingDifferences } from '../../../src/core/records/worker-instance.ts';
import { describeInstance } from '../../../src/worker/assemble/instance.ts';

const SECRETS = ['whsec_aGVsbG8gd29ybGQ=', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'];

const instanceWith = (environment: Record<string, string>) => describeInstance(settingsFrom(environment), []);

test.each([
  ['secrets', { SIGNING_SECRET: SECRETS.join(',') }, { SIGNING_SECRET: SECRETS.toReversed().join(',') }],
  [
    'networks',
    { ALLOWED_PRIVATE_CIDRS: '10.0.0.0/8,127.0.0.1' },
    { ALLOWED_PRIVATE_CIDRS: '127.0.0.1/32,10.0.0.0/8' },
  ],
  ['ports', { ALLOWED_PORTS: '443,8443' }, { ALLOWED_PORTS: '8443,443,443' }],
  ['statuses', { TERMINAL_STATUSES: '400,404' }, { TERMINAL_STATUSES: '404,400' }],
])('workers that name the same %s in another order do not differ', (_what, one, other) => {
  expect(settingDifferences([instanceWith(one), instanceWith(other)])).toEqual([]);
});

test('workers with other delays between attempts differ', () => {
  const [one, other] = ['1s,2s', '2s,1s'].map((text) => instanceWith({ RETRY_SCHEDULE: text }));
  expect(settingDifferences([one!, other!])).toMatchObject([{ setting: 'RETRY_SCHEDULE' }]);
});
