import { beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  allSettled,
  deadLetterOf,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  statisticsOf,
  stopWorker,
  sumOf,
} from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});

describe('a full stream', () => {
  it('refuses a publisher with the reason, while the worker goes on and frees space', async () => {
    const endpoint = await startMisbehavingEndpoint();
    const { healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.update('WEBHOOKS', { max_msgs: 1 });
    await scene.publish({ webhook_url: `${endpoint.url}/hang` });
    const publish = () =>
      runProgram(['publish', '--url', `${endpoint.url}/ok`, '--data', '{}'], { env: scene.env });
    const rejected = await publish();
    expect(await rejected.waitForExit()).toMatchObject({ code: 1 });
    expect(rejected.stderr.join('\n')).toMatch(/the stream refuses .*deliver or remove messages/);
    await healthIs({ code: 200, status: 'ok' });
    endpoint.recover();
    await allSettled(scene);
    expect(await (await publish()).waitForExit()).toMatchObject({ code: 0 });
    await until(() => endpoint.requests.some(({ path }) => path === '/ok'));
  });
});

describe('a full dead-letter stream', () => {
  it('stops no healthy delivery, makes /health failing, and stores the dead letter as soon as its limit is raised', async () => {
    const endpoint = await startEndpoint();
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.update('WEBHOOKS_DLQ', { max_msgs: 1 });
    const first = await scene.publish({ no: 'endpoint' });
    await deadLetterOf(scene, first);
    const second = await scene.publish({ no: 'endpoint' });
    await healthIs({ code: 503, troubles: { deadLetters: expect.stringContaining('raise its limits') } });
    await worker.waitForLine(/worker\.failing|dead_letter\.store_failed/);
    await scene.publishMany(20, endpoint.url);
    await until(() => endpoint.received().webhookIds === 20);
    await scene.manager.streams.update('WEBHOOKS_DLQ', { max_msgs: -1 });
    await deadLetterOf(scene, second);
    await healthIs({ code: 200, status: 'ok' });
  });
});

describe('a full parked stream', () => {
  it('stops no healthy delivery, makes /health degraded, and its messages are delivered after its limit is raised', async () => {
    const [healthy, paused] = [await startEndpoint(), await startEndpoint()];
    await stopWorker(await scene.startWorker());
    await setPaused(scene, paused.url, true);
    const { healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.update('WEBHOOKS_PARKED', { max_bytes: 1 });
    await scene.publishMany(5, paused.url);
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: { parking: expect.stringContaining('raise its limits') },
    });
    await scene.publishMany(20, healthy.url);
    await until(() => healthy.received().webhookIds === 20);
    await scene.manager.streams.update('WEBHOOKS_PARKED', { max_bytes: -1 });
    await healthIs({ code: 200, status: 'ok' });
    await setPaused(scene, paused.url, false);
    await allSettled(scene);
    expect(paused.received()).toMatchObject({ requests: 5, webhookIds: 5 });
  });

  it('costs no attempts, however often the workers that defer its messages are replaced', async () => {
    const paused = await startEndpoint();
    await stopWorker(await scene.startWorker());
    await setPaused(scene, paused.url, true);
    await scene.manager.streams.update('WEBHOOKS_PARKED', { max_bytes: 1 });
    await scene.publishMany(5, paused.url);
    for (let round = 0; round < 3; round++) {
      const { worker, healthIs } = await startWorkerWithHealth(scene, { MAX_ATTEMPTS: '2' });
      await healthIs({ setAside: 5 });
      await stopWorker(worker);
    }
    await setPaused(scene, paused.url, false);
    await scene.startWorker({ MAX_ATTEMPTS: '2' });
    await allSettled(scene);
    expect(paused.received()).toMatchObject({ requests: 5, webhookIds: 5 });
  });
});

describe('a message of nearly the maximum size', () => {
  it('becomes a dead letter in parts, and leaves the stream', async () => {
    const { healthIs } = await startWorkerWithHealth(scene);
    const padding = 'x'.repeat(1_048_576 - 120);
    const sequence = await scene.publish({ padding });
    const deadLetter = await deadLetterOf(scene, sequence);
    expect(Number(deadLetter.header.get('Webhook-Dead-Letter-Parts'))).toBeGreaterThan(1);
    await allSettled(scene);
    await healthIs({ code: 200, status: 'ok' });
  });
});

describe('a nats-server with full storage', () => {
  it('refuses publishers, while waiting messages are delivered and free their space', async () => {
    const full = await openScene({
      nats: await startTestNats({ config: 'jetstream { max_file_store: 2MB }' }),
    });
    const endpoint = await startEndpoint({ delayMs: 50 });
    const { healthIs } = await startWorkerWithHealth(full, { CONCURRENCY: '2' });
    const data = 'x'.repeat(100_000);
    let stored = 0;
    const errorCode = await until(() =>
      full.publish({ webhook_url: endpoint.url, data }).then(
        () => {
          stored++;
          return undefined;
        },
        (error) => error.api_error?.err_code,
      ),
    );
    expect([10_023, 10_047, 10_077]).toContain(errorCode);
    await until(() => endpoint.received().webhookIds >= stored);
    await until(() => full.publish({ webhook_url: endpoint.url, data }).catch(() => 0));
    await until(() => endpoint.received().webhookIds === stored + 1);
    await healthIs({ code: 200, status: 'ok' });
  });
});

describe('a PostgreSQL with a full disk', () => {
  it('only delays statistics: every delivery is counted when there is space again', async () => {
    const endpoint = await startEndpoint();
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await healthIs({ status: 'ok' });
    // The error of PostgreSQL when its disk is full.
    await scene.query(`CREATE FUNCTION raise_disk_full() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`);
    await scene.query(
      'CREATE TRIGGER full_disk BEFORE INSERT ON rule_nats_delivery_attempts EXECUTE FUNCTION raise_disk_full()',
    );
    await scene.publishMany(20, endpoint.url);
    await until(() => endpoint.received().webhookIds === 20);
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: { postgres: expect.stringContaining('No space left') },
    });
    await worker.waitForLine(/statistics\.store_failed/);
    await scene.query('DROP TRIGGER full_disk ON rule_nats_delivery_attempts');
    await until(async () => sumOf(await statisticsOf(scene), 'messages_acknowledged') === 20);
    await healthIs({ code: 200, status: 'ok' });
  });
});
