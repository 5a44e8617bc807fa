import pg from 'pg';
import { expect, it } from 'vitest';
import { cleanUpAfter } from '../support/clean-up.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { openScene, type Scene, startEndpoint } from './scene.ts';

/** As replication and restores do, and some tools: the triggers of the table do not run, so no worker is notified. */
const UNNOTIFIED = 'SET LOCAL session_replication_role = replica';

/** A transaction of its own connection, which nobody is notified of. */
async function beginUnnotified({ env }: Pick<Scene, 'env'>): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: env.DATABASE_URL! });
  await client.connect();
  cleanUpAfter(() => client.end());
  await client.query(`BEGIN; ${UNNOTIFIED}`);
  return client;
}

it('a row that was changed before a comparison, and committed after it, is used by the next comparison', async () => {
  const [scene, endpoint] = [await openScene(), await startEndpoint()];
  await createTables(scene);
  const names = ['late', 'deleted', 'other'];
  for (const name of names) await register(scene, name, `${endpoint.url}/${name}/before`);
  await scene.startWorker();
  /** The path that a message for this row arrives at. */
  const pathOf = async (name: string) => {
    const sequence = await scene.publish({ name }, { subject: `webhooks.${name}` });
    const isIts = (id: unknown) => String(id).endsWith(`-${sequence}`);
    return (await until(() => endpoint.requests.find(({ headers }) => isIts(headers['webhook-id'])))).path;
  };
  for (const name of names) expect(await pathOf(name)).toBe(`/${name}/before`);
  const change = (name: string) =>
    `UPDATE rule_webhooks SET url = '${endpoint.url}/${name}/after' WHERE webhook_name = '${name}'`;

  const late = await beginUnnotified(scene);
  await late.query(`${change('late')}; DELETE FROM rule_webhooks WHERE webhook_name = 'deleted';
    INSERT INTO rule_webhooks (webhook_name, url) VALUES ('inserted', '${endpoint.url}/inserted')`);
  const other = await beginUnnotified(scene);
  await other.query(`${change('other')}; COMMIT`);
  // Only a comparison of all rows can find the change of a later transaction. It does not see the earlier one yet.
  await until(async () => (await pathOf('other')) === '/other/after');
  expect([await pathOf('late'), await pathOf('deleted')]).toEqual(['/late/before', '/deleted/before']);

  await late.query('COMMIT');
  // The worker compares all rows when it listens again.
  const ended = await scene.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN %'`);
  expect(ended).toHaveLength(1);
  await until(async () => (await pathOf('late')) === '/late/after');
  expect(await pathOf('inserted')).toBe('/inserted');
  const requests = endpoint.requests.length;
  await scene.publish({}, { subject: 'webhooks.deleted' });
  await until(async () => (await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages === 1);
  expect(endpoint.requests.length).toBe(requests);
});
