import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../commands/programs.ts';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { logOf, openScene, startEndpoint, stopWorker } from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const PASSWORD = 'correct-horse';
const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes, ok').toString('base64')}`;

describe('the row of a worker', () => {
  it('says its version, its features and the settings that decide deliveries, and no secret', async () => {
    const scene = await openScene();
    await scene.startWorker({
      ALLOWED_PORTS: '8443,443',
      ALLOWED_PRIVATE_CIDRS: '127.0.0.1/32,127.0.0.1,FD00::/8',
      EGRESS_PROXY: `http://me:${PASSWORD}@127.0.0.1:3128`,
      SIGNING_SECRET: SECRET,
      MAX_ATTEMPTS: '9',
    });
    const [row] = await scene.query(`SELECT version, features, settings FROM rule_nats_worker_instances`);
    expect(row).toMatchObject({
      version,
      features: expect.arrayContaining(['instance-row']),
      settings: {
        ALLOWED_PRIVATE_CIDRS: ['127.0.0.1', 'fd00::/8'],
        ALLOWED_PORTS: [443, 8443],
        EGRESS_PROXY: 'http://127.0.0.1:3128',
        SIGNING_SECRET: [expect.stringMatching(/^[0-9a-f]{3}$/)],
        MAX_ATTEMPTS: 9,
      },
    });
    expect(JSON.stringify(row)).not.toMatch(new RegExp(`${PASSWORD}|${SECRET.slice(6, 14)}|"me"`));
  });

  it('follows later if PostgreSQL is away at the start; the worker says so and delivers', async () => {
    const postgres = await startPrivatePostgres();
    const [scene, endpoint] = [await openScene({ databaseUrl: postgres.url }), await startEndpoint()];
    await postgres.kill();
    const worker = await scene.startWorker();
    expect(logOf(worker).map(({ msg }) => msg)).toContain('instance.write_failed');
    await scene.publish({ webhook_url: endpoint.url });
    await until(() => endpoint.requests.length === 1);
    await postgres.restart();
    await until(async () => {
      const rows = await scene.query(`SELECT version FROM rule_nats_worker_instances`).catch(() => []);
      return rows[0]?.version === version;
    });
  });
});

describe('two workers whose settings differ', () => {
  it('say so in the log, in /health and in stats, until they agree', async () => {
    const scene = await openScene();
    const { healthIs } = await startWorkerWithHealth(scene, { CONSUMER_NAME: 'one' });
    const other = await scene.startWorker({ CONSUMER_NAME: 'two', MAX_ATTEMPTS: '3' });
    expect(logOf(other).find(({ msg }) => msg === 'settings.differ')).toMatchObject({
      level: expect.anything(),
      differing: [expect.stringMatching(/^MAX_ATTEMPTS: (3 \(two\), 7 \(one\)|7 \(one\), 3 \(two\))$/)],
    });
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: { settings: expect.stringContaining('MAX_ATTEMPTS') },
    });
    const { stdout } = await outcomeOf(['stats'], scene.env);
    expect(stdout).toMatch(/^the workers of the group differ in MAX_ATTEMPTS: /m);
    await stopWorker(other);
    await healthIs({ status: 'ok', troubles: {} });
  });
});
