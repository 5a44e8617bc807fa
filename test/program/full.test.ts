import { beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { startTestNats } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startAskable } from './askable.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import {
  deadLetterOf,
  drained,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  statisticsOf,
  stopWorker,
  sumOf,
} from './scene.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});

describe('a full stream', () => {
  it('refuses the publisher with the reason, and the worker goes on and makes room', async () => {
    const endpoint = await startMisbehavingEndpoint();
    const { healthIs } = await startAskable(scene);
    await scene.manager.streams.update('WEBHOOKS', { max_msgs: 1 });
    await scene.publish({ webhook_url: `${endpoint.url}/hang` });
    const publish = () =>
      runProgram(['publish', '--url', `${endpoint.url}/ok`, '--data', '{}'], { env: scene.env });
    const refused = await publish();
    expect(await refused.waitForExit()).toMatchObject({ code: 1 });
    expect(refused.stderr.join('\n')).toMatch(/the stream refuses .*deliver or remove messages/);
    await healthIs({ code: 200, status: 'ok' });
    endpoint.recover();
    await drained(scene);
    expect(await (await publish()).waitForExit()).toMatchObject({ code: 0 });
    await until(() => endpoint.requests.some(({ path }) => path === '/ok'));
  });
});

describe('a full dead-letter stream', () => {
  it('stops no healthy delivery, fails health, and takes the letter as soon as it has room', async () => {
    const endpoint = await startEndpoint();
    const { worker, healthIs } = await startAskable(scene);
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

describe('a full stream of parked messages', () => {
  it('stops no healthy delivery, degrades health, and what has no room is delivered once it has', async () => {
    const [healthy, paused] = [await startEndpoint(), await startEndpoint()];
    await stopWorker(await scene.startWorker());
    await setPaused(scene, paused.url, true);
    const { healthIs } = await startAskable(scene);
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
    await drained(scene);
    expect(paused.received()).toMatchObject({ requests: 5, webhookIds: 5 });
  });

  it('costs no attempts, however often workers are replaced that keep what it did not take', async () => {
    const paused = await startEndpoint();
    await stopWorker(await scene.startWorker());
    await setPaused(scene, paused.url, true);
    await scene.manager.streams.update('WEBHOOKS_PARKED', { max_bytes: 1 });
    await scene.publishMany(5, paused.url);
    for (let round = 0; round < 3; round++) {
      const { worker, healthIs } = await startAskable(scene, { MAX_ATTEMPTS: '2' });
      await healthIs({ setAside: 5 });
      await stopWorker(worker);
    }
    await setPaused(scene, paused.url, false);
    await scene.startWorker({ MAX_ATTEMPTS: '2' });
    await drained(scene);
    expect(paused.received()).toMatchObject({ requests: 5, webhookIds: 5 });
  });
});

describe('a message that just fits', () => {
  it('is a dead letter in parts when it is given up, and leaves the stream', async () => {
    const { healthIs } = await startAskable(scene);
    const padding = 'x'.repeat(1_048_576 - 120);
    const sequence = await scene.publish({ padding });
    const letter = await deadLetterOf(scene, sequence);
    expect(Number(letter.header.get('Webhook-Dead-Letter-Parts'))).toBeGreaterThan(1);
    await drained(scene);
    await healthIs({ code: 200, status: 'ok' });
  });
});

describe('a nats-server without room in its files', () => {
  it('refuses publishers, while what waits is delivered and its place is free again', async () => {
    const full = await openScene({
      nats: await startTestNats({ config: 'jetstream { max_file_store: 2MB }' }),
    });
    const endpoint = await startEndpoint({ delayMs: 50 });
    const { healthIs } = await startAskable(full, { CONCURRENCY: '2' });
    const data = 'x'.repeat(100_000);
    let stored = 0;
    const refusal = await until(() =>
      full.publish({ webhook_url: endpoint.url, data }).then(
        () => {
          stored++;
          return undefined;
        },
        (error) => error.api_error?.err_code,
      ),
    );
    expect([10_023, 10_047, 10_077]).toContain(refusal);
    await until(() => endpoint.received().webhookIds >= stored);
    await until(() => full.publish({ webhook_url: endpoint.url, data }).catch(() => 0));
    await until(() => endpoint.received().webhookIds === stored + 1);
    await healthIs({ code: 200, status: 'ok' });
  });
});

describe('a PostgreSQL without room', () => {
  it('only makes statistics wait: all of them are counted once there is room', async () => {
    const endpoint = await startEndpoint();
    const { worker, healthIs } = await startAskable(scene);
    await healthIs({ status: 'ok' });
    // What PostgreSQL says when its disk is full.
    await scene.query(`CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`);
    await scene.query(
      'CREATE TRIGGER full_disk BEFORE INSERT ON rule_nats_delivery_attempts EXECUTE FUNCTION no_room()',
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
