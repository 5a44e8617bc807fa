import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { readLoadFlags } from '../../../src/commands/load/flags.ts';
import { firstMessage } from '../../../src/commands/load/messages.ts';
import { wayOf } from '../../../src/commands/load/ways.ts';
import { settingsFrom } from '../../../src/config/settings.ts';
import { cleanUpAfter } from '../../support/clean-up.ts';

/** The API key of the request that a run sends. */
async function keySent(flags: readonly string[], environment: Readonly<Record<string, string>>) {
  const keys: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization);
    response.writeHead(202, { 'content-type': 'application/json' }).end('{"ok":true,"id":"a"}');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanUpAfter(() => new Promise<void>((resolve) => server.close(() => resolve())));
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const started: { close(): Promise<void> }[] = [];
  const settings = settingsFrom(environment);
  const parts = { settings, client: null as never, pool: null, started };
  const way = wayOf(
    await readLoadFlags(['--name', 'orders', '--via', 'http', '--api', api, ...flags]),
    parts,
  );
  await way(null).send(firstMessage('r1'));
  for (const part of started) await part.close();
  return keys;
}

test.each<[string, string[], Record<string, string>, string | undefined]>([
  ['without a key, none is sent', [], {}, undefined],
  [
    'API_KEY is sent, which the list of processes does not show',
    [],
    { API_KEY: 'whk_env' },
    'Bearer whk_env',
  ],
  ['--api-key wins', ['--api-key', 'whk_flag'], { API_KEY: 'whk_env' }, 'Bearer whk_flag'],
])('by HTTP, %s', async (_name, flags, environment, key) => {
  expect(await keySent(flags, environment)).toEqual([key]);
});
