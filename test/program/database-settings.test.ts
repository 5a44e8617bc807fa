import { expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { openScene, startEndpoint, stopWorker } from './scene.ts';

it('a database with German dates in another time zone changes nothing in stats and sql', async () => {
  const scene = await openScene();
  const name = new URL(scene.env.DATABASE_URL!).pathname.slice(1);
  await scene.query(`ALTER DATABASE ${name} SET datestyle = 'German, DMY'`);
  await scene.query(`ALTER DATABASE ${name} SET timezone = 'Pacific/Chatham'`);
  await scene.query(`ALTER DATABASE ${name} SET intervalstyle = 'sql_standard'`);
  const endpoint = await startEndpoint();
  const worker = await scene.startWorker({ CONSUMER_NAME: 'one' });
  const sequence = await scene.publish({ webhook_url: endpoint.url });
  await scene.deliveryOf(sequence, 'delivered');
  await stopWorker(worker);

  const stats = await outcomeOf(['stats', '--json'], scene.env);
  expect(stats).toMatchObject({ code: 0, stderr: '' });
  const { workers } = JSON.parse(stats.stdout);
  expect(workers).toMatchObject([{ name: 'one', delivered: 1 }]);
  expect(Math.abs(Date.parse(workers[0].lastActiveAt) - Date.now())).toBeLessThan(3_600_000);

  const sql = `SELECT to_timestamp(0) AS time, interval '1 day 2 hours' AS pause`;
  expect((await outcomeOf(['sql', '--json', sql], scene.env)).stdout).toBe(
    '{"time":"1970-01-01 00:00:00+00","pause":"1 day 02:00:00"}',
  );
});
