import { RetentionPolicy, type StreamConfig } from 'nats';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { allSettled, logOf, openScene, type Scene, skipBefore211, startEndpoint } from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const [STREAM, DURABLE] = ['WEBHOOKS', 'webhook-workers'];
const inAnHour = () => new Date(Date.now() + 3_600_000);

/** The output of `stats`. */
async function stats(scene: Scene, ...flags: string[]): Promise<string> {
  const program = await runProgram(['stats', ...flags], { env: scene.env });
  expect(await program.waitForExit()).toMatchObject({ code: 0 });
  return program.stdout.join('\n');
}

/** Changes the stream of webhooks, as an operator does. */
async function editStream(scene: Scene, change: object): Promise<void> {
  const { config } = await scene.manager.streams.info(STREAM);
  await scene.manager.streams.update(STREAM, { ...config, ...change } as StreamConfig);
}

describe('a durable that is paused', () => {
  it('at the start is reported in the log, in /health and in stats, until it is resumed', async ({
    skip,
  }) => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    skipBefore211(scene, skip);
    const first = await scene.startWorker();
    first.kill();
    await first.waitForExit();
    await scene.manager.consumers.pause(STREAM, DURABLE, inAnHour());
    await scene.publish({ webhook_url: endpoint.url });

    const { worker, healthIs } = await startWorkerWithHealth(scene);
    const lines = logOf(worker);
    const [said, ...again] = lines.filter(({ msg }) => msg === 'consumer.misconfigured');
    expect(said!.hint).toMatch(/is paused until .*, and delivers nothing: `nats consumer resume /);
    expect(again).toEqual([]);
    expect(lines.indexOf(said!)).toBeLessThan(lines.findIndex(({ msg }) => msg === 'worker.started'));
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: { configuration: expect.stringContaining('is paused') },
      configuration: [expect.stringContaining('is paused')],
    });
    expect(await stats(scene)).toContain(`problem: The durable ${DURABLE} is paused until`);
    expect(JSON.parse(await stats(scene, '--json')).configuration).toEqual([
      { sentence: expect.stringContaining('is paused'), isProblem: true },
    ]);

    await scene.manager.consumers.resume(STREAM, DURABLE);
    await worker.waitForLine(/consumer\.corrected/);
    await healthIs({ code: 200, status: 'ok', troubles: {}, configuration: [] });
    await allSettled(scene);
    expect(endpoint.requests.length).toBe(1);
    expect(await stats(scene)).not.toContain('paused');
  });

  it('while the worker runs is reported, again each time', async ({ skip }) => {
    const scene = await openScene();
    skipBefore211(scene, skip);
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    for (const times of [1, 2]) {
      await scene.manager.consumers.pause(STREAM, DURABLE, inAnHour());
      await healthIs({ status: 'degraded' });
      await scene.manager.consumers.resume(STREAM, DURABLE);
      await healthIs({ status: 'ok' });
      expect(logOf(worker).filter(({ msg }) => msg === 'consumer.misconfigured')).toHaveLength(times);
    }
  });
});

describe('a SUBJECT that nothing in the stream can match', () => {
  const transform = { subject_transform: { src: 'webhooks.*', dest: 'hooks.{{wildcard(1)}}' } };

  it('because of a subject_transform at the start is reported, and health is degraded', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await scene.manager.streams.add({
      name: STREAM,
      subjects: ['webhooks.*'],
      retention: RetentionPolicy.Workqueue,
      ...transform,
    });
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await healthIs({
      code: 200,
      status: 'degraded',
      troubles: {
        configuration: expect.stringMatching(
          /stores hooks\.\*, and nothing that can match SUBJECT=webhooks\.\*/,
        ),
      },
    });
    expect(worker.stdout.join('\n')).toContain('nothing that can match SUBJECT=webhooks.*');
    expect(await stats(scene)).toContain('nothing that can match SUBJECT=webhooks.*');
    worker.kill();
    await worker.waitForExit();
    // With the changed subject, the same stream is delivered.
    await scene.manager.consumers.delete(STREAM, DURABLE);
    await scene.publish({ webhook_url: endpoint.url });
    const cured = await startWorkerWithHealth(scene, { SUBJECT: 'hooks.*', ORDERED_SUBJECT: 'off' });
    await cured.healthIs({
      status: 'ok',
      troubles: {},
      configuration: [expect.stringMatching(/subject_transform/)],
    });
    await until(() => endpoint.requests.length === 1);
  });

  it('because somebody changed the subjects while the worker runs is reported', async () => {
    const scene = await openScene();
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await editStream(scene, { subjects: ['orders.*'] });
    await healthIs({ code: 200, status: 'degraded' });
    await worker.waitForLine(/stream\.misconfigured/);
    await editStream(scene, { subjects: ['webhooks.*'] });
    await worker.waitForLine(/stream\.corrected/);
    await healthIs({ code: 200, status: 'ok' });
  });

  it('because the stream mirrors a stream of other subjects is reported', async () => {
    const scene = await openScene();
    await scene.manager.streams.add({ name: 'ORDERS', subjects: ['orders.*'] });
    await scene.manager.streams.add({ name: STREAM, mirror: { name: 'ORDERS' } });
    const { healthIs } = await startWorkerWithHealth(scene);
    await healthIs({
      status: 'degraded',
      troubles: { configuration: expect.stringContaining('stores orders.*, and nothing that can match') },
    });
  });
});

it('a mirror, and a stream with sources, are delivered and reported, without a problem', async () => {
  const [scene, endpoint] = [await openScene(), await startEndpoint()];
  await scene.manager.streams.add({ name: 'OTHER', subjects: ['webhooks.*'] });
  await scene.manager.streams.add({ name: STREAM, mirror: { name: 'OTHER' } });
  const { healthIs } = await startWorkerWithHealth(scene);
  await scene.publish({ webhook_url: endpoint.url });
  await until(() => endpoint.requests.length === 1);
  await healthIs({
    status: 'ok',
    configuration: [expect.stringContaining('is a mirror of the stream OTHER')],
  });
  expect(await stats(scene)).toContain('notice: The stream WEBHOOKS is a mirror of the stream OTHER');
});

it('a durable that is changed to deliver headers only makes health degraded', async () => {
  const scene = await openScene();
  const { healthIs } = await startWorkerWithHealth(scene);
  const { config } = await scene.manager.consumers.info(STREAM, DURABLE);
  await scene.manager.consumers.update(STREAM, DURABLE, { ...config, headers_only: true });
  await healthIs({
    status: 'degraded',
    troubles: { configuration: expect.stringContaining('delivers only the headers of messages') },
  });
});
