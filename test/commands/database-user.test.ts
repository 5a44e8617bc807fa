import { userInfo } from 'node:os';
import { beforeAll, expect, test } from 'vitest';
import { createTestDatabase } from '../support/servers.ts';
import { outcomeOf } from './programs.ts';

/** Names no user and no password. */
let url: string;

beforeAll(async () => {
  const anonymous = new URL((await createTestDatabase()).url);
  [anonymous.username, anonymous.password] = ['', ''];
  url = anonymous.href;
});

const errorOf = async (env: Record<string, string>) => {
  const settings = { DATABASE_URL: url, PGPASSWORD: 'wrong', ...env };
  return (await outcomeOf(['sql', 'SELECT 1'], settings)).stderr;
};

test('a URL without a user means the user of the operating system, as in psql, and $USER is ignored', async () => {
  expect(await errorOf({})).toContain(`"${userInfo().username}"`);
  expect(await errorOf({ USER: 'somebody' })).toContain(`"${userInfo().username}"`);
});

test('PGUSER wins over the user of the operating system', async () => {
  expect(await errorOf({ PGUSER: 'ann' })).toContain('"ann"');
});
