import { spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { settingsFrom } from '../../../src/config/settings.ts';
import {
  readRunningServers,
  removeRunningServers,
  withRunningServers,
  writeRunningServers,
} from '../../../src/embedded/files/running-servers.ts';
import { temporaryFolder } from '../../support/clean-up.ts';

const SERVERS = {
  natsUrl: 'nats://127.0.0.1:4333',
  databaseUrl: 'postgresql://postgres:secret@127.0.0.1:5433/postgres',
  receiverUrl: 'http://127.0.0.1:9001',
  httpUrl: 'http://127.0.0.1:8081',
};

async function folderWithRunningServers(): Promise<string> {
  const folder = await temporaryFolder();
  await writeRunningServers(SERVERS, folder);
  return folder;
}

test('the servers of a running process are found', async () => {
  expect(readRunningServers(await folderWithRunningServers())).toMatchObject({
    ...SERVERS,
    pid: process.pid,
  });
});

test('only its user can read servers.json, since it contains a password', async () => {
  const { mode } = await stat(join(await folderWithRunningServers(), 'servers.json'));
  expect(mode & 0o777).toBe(0o600);
});

test('the servers of a process that has ended are not found', async () => {
  const folder = await folderWithRunningServers();
  const file = join(folder, 'servers.json');
  const { pid } = spawnSync('true');
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), pid }));
  expect(readRunningServers(folder)).toBeUndefined();
});

test('servers that were removed are not found', async () => {
  const folder = await folderWithRunningServers();
  await removeRunningServers(folder);
  expect(readRunningServers(folder)).toBeUndefined();
});

test('the running servers are the default of settings that are not set', async () => {
  const settings = withRunningServers(settingsFrom({}), await folderWithRunningServers());
  expect(settings).toMatchObject({ NATS_URL: [SERVERS.natsUrl], DATABASE_URL: SERVERS.databaseUrl });
});

test('a setting that is set wins over the running servers', async () => {
  const settings = settingsFrom({ NATS_URL: 'nats://elsewhere:4222' });
  expect(withRunningServers(settings, await folderWithRunningServers()).NATS_URL).toEqual([
    'nats://elsewhere:4222',
  ]);
});
