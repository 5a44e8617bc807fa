import { expect, it } from 'vitest';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { allSettled, openScene, startEndpoint } from './scene.ts';

it('a message for one row keeps its row while it is parked because PostgreSQL was never read', async () => {
  const postgres = await startPrivatePostgres();
  const scene = await openScene({ databaseUrl: postgres.url });
  await createTables(scene);
  const [one, two] = [await startEndpoint(), await startEndpoint()];
  await register(scene, 'one', one.url, { nats_subject: 'webhooks.orders' });
  await register(scene, 'two', two.url, { webhook_id: 4711 });
  await postgres.stop();
  await scene.startWorker();
  const headers = { 'Webhook-Endpoint-Id': '4711', 'Webhook-Payload': 'bare' };
  await scene.publish({ webhook_url: one.url }, { subject: 'webhooks.orders', headers });
  await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
  await postgres.restart();
  await until(() => two.requests.length === 1);
  await allSettled(scene);
  expect([one.requests.length, two.requests[0]!.body.toString()]).toEqual([
    0,
    JSON.stringify({ webhook_url: one.url }),
  ]);
});
