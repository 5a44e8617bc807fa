import { describe, expect, it } from 'vitest';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { openScene } from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

describe('/health', () => {
  it('is ok while nothing fails', async () => {
    const { healthIs } = await startWorkerWithHealth(await openScene());
    await healthIs({ code: 200, status: 'ok', troubles: {}, slots: { busy: 0, free: 256 } });
  });

  it('is degraded while PostgreSQL is away, and ok again when it is back', async () => {
    const postgres = await startPrivatePostgres();
    const { healthIs } = await startWorkerWithHealth(await openScene({ databaseUrl: postgres.url }));
    await healthIs({ status: 'ok' });
    await postgres.kill();
    await healthIs({ code: 200, status: 'degraded', troubles: { postgres: expect.any(String) } });
    await postgres.restart();
    await healthIs({ code: 200, status: 'ok', troubles: {} });
  });

  it('is failing while NATS is away, and ok again when it is back', async () => {
    const scene = await openScene();
    const { healthIs } = await startWorkerWithHealth(scene);
    await healthIs({ status: 'ok' });
    await scene.nats.kill();
    await healthIs({ code: 503, status: 'failing', troubles: { nats: expect.any(String) } });
    await scene.nats.restart();
    await healthIs({ code: 200, status: 'ok' });
  });

  it('is failing while dead letters cannot be stored', async () => {
    const scene = await openScene();
    const { healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.delete('WEBHOOKS_DLQ');
    await scene.publish({ no: 'endpoint' });
    await healthIs({
      code: 503,
      status: 'failing',
      troubles: { deadLetters: expect.stringContaining('WEBHOOKS_DLQ') },
    });
  });

  it('is draining after a signal to stop', async () => {
    const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await scene.publish({ webhook_url: `${endpoint.url}/hang` });
    await until(() => endpoint.requests.length === 1);
    worker.kill();
    await healthIs({ code: 503, status: 'draining', slots: { busy: 1 } });
    endpoint.recover();
    expect(await worker.waitForExit()).toMatchObject({ code: 0 });
  });
});
