import { userInfo } from 'node:os';
import { beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../support/servers.ts';
import { outcomeOf } from './programs.ts';

/** Names no user, and a password that is nobody's. */
let url: string;

beforeAll(async () => {
  const anonymous = new URL((await createTestDatabase()).url);
  [anonymous.username, anonymous.password] = ['', ''];
  url = anonymous.href;
});

const refusal = async (env: Record<string, string>) => {
  const wrong = { DATABASE_URL: url, PGPASSWORD: 'wrong', ...env };
  return (await outcomeOf(['sql', 'SELECT 1'], wrong)).stderr;
};

test('a URL without a user means the user of the system, as with psql, whatever $USER says', async () => {
  expect(await refusal({})).toContain(`"${userInfo().username}"`);
  expect(await refusal({ USER: 'somebody' })).toContain(`"${userInfo().username}"`);
});

test('PGUSER comes first', async () => {
  expect(await refusal({ PGUSER: 'ann' })).toContain('"ann"');
});
