import { expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { until } from '../support/wait.ts';
import { createTables, register } from './rows.ts';
import { openScene, startEndpoint } from './scene.ts';

it('publish says order, type, attempts and time', async () => {
  const scene = await openScene();
  await createTables(scene);
  const endpoint = await startEndpoint();
  await register(scene, 'orders', endpoint.url, { event_types: ['order.paid'] });
  await scene.startWorker();
  const flags = ['--subject', 'webhooks.orders', '--data', '{"n":1}', '--event-type', 'order.paid'];
  const more = [
    '--ordering-key',
    'customer 17',
    '--max-attempts',
    '2',
    '--deliver-at',
    '2020-01-01T00:00:00Z',
  ];
  const done = await outcomeOf(['publish', ...flags, ...more], scene.env);
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('WEBHOOKS_ORDERED') });
  await until(() => endpoint.requests.length === 1);
});
