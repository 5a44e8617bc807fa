import { RetentionPolicy } from 'nats';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.ts';
import { until } from '../support/wait.ts';
import { startMisbehavingEndpoint } from './misbehaving-endpoint.ts';
import { allSettled, logOf, openScene, type Scene, stopWorker } from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const COUNT = 40;

/** Two groups on one stream that keeps its messages. */
async function openTwoGroups(env: Record<string, string> = {}): Promise<Scene> {
  const scene = await openScene();
  await scene.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Limits,
  });
  await scene.startWorker({ ...env, CONSUMER_NAME: 'first' });
  await scene.startWorker({ ...env, CONSUMER_NAME: 'second', QUEUE_GROUP: 'shop' });
  return scene;
}

const parked = async ({ manager }: Scene) => (await manager.streams.info('WEBHOOKS_PARKED')).state.messages;

it('two groups deliver each message once each, also if they park it', async () => {
  const [scene, endpoint] = [await openTwoGroups({ MAX_ATTEMPTS: '100' }), await startMisbehavingEndpoint()];
  await scene.publishMany(COUNT, `${endpoint.url}/status/503`);
  await until(async () => (await parked(scene)) === 2 * COUNT);
  const failed = endpoint.requests.length;
  endpoint.recover();
  await until(async () => (await parked(scene)) === 0);
  const perMessage = new Map<string, number>();
  for (const { webhookId } of endpoint.requests.slice(failed))
    perMessage.set(webhookId, (perMessage.get(webhookId) ?? 0) + 1);
  expect([...perMessage.values()]).toEqual(Array(COUNT).fill(2));
});

it('two groups have dead letters of their own', async () => {
  const [scene, endpoint] = [await openTwoGroups({ MAX_ATTEMPTS: '1' }), await startMisbehavingEndpoint()];
  await scene.publish({ webhook_url: `${endpoint.url}/status/404`, data: {} });
  await until(async () => (await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages === 2);
  const { state } = await scene.manager.streams.info('WEBHOOKS_DLQ', { subjects_filter: '>' });
  expect(Object.keys(state.subjects!).sort()).toEqual([
    expect.stringMatching(/^dlq\.WEBHOOKS\.\d+\.1\.127-0-0-1-[0-9a-f]{8}$/),
    expect.stringMatching(/^dlq\.WEBHOOKS\.\d+\.1\.group\.shop\.127-0-0-1-[0-9a-f]{8}$/),
  ]);
});

it('copies that an earlier version of a group stored without its name are delivered by the group', async () => {
  const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
  const before = await scene.startWorker();
  await scene.publishMany(COUNT, `${endpoint.url}/status/503`);
  await until(async () => (await parked(scene)) === COUNT);
  await stopWorker(before);
  await scene.manager.consumers.delete('WEBHOOKS', 'webhook-workers');
  endpoint.recover();
  await scene.startWorker({ QUEUE_GROUP: 'shop' });
  await allSettled(scene);
  expect(new Set(endpoint.requests.map(({ webhookId }) => webhookId)).size).toBe(COUNT);
});

it('two named groups do not hinder each other at copies of an earlier version', async () => {
  const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
  await scene.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Workqueue,
  });
  const quiet = { ORDERED_SUBJECT: 'off', MAX_ATTEMPTS: '100', BACKOFF_MAX_MS: '1000' };
  const before = await scene.startWorker({ ...quiet, SUBJECT: 'webhooks.test' });
  await scene.publishMany(COUNT, `${endpoint.url}/status/503`);
  await until(async () => (await parked(scene)) === COUNT);
  await stopWorker(before);
  await scene.manager.consumers.delete('WEBHOOKS', 'webhook-workers');
  const [shop, mail] = await Promise.all(
    ['shop', 'mail'].map((group) =>
      scene.startWorker({
        ...quiet,
        QUEUE_GROUP: group,
        CONSUMER_NAME: group,
        SUBJECT: `webhooks.${group}`,
      }),
    ),
  );
  // Both groups have copies of their own for the same endpoint, beside the earlier ones.
  for (const subject of ['webhooks.shop', 'webhooks.mail'])
    for (let number = 0; number < COUNT; number++)
      await scene.publish({ webhook_url: `${endpoint.url}/status/503`, data: { number } }, { subject });
  await until(async () => (await parked(scene)) === 3 * COUNT);
  endpoint.recover();
  await until(async () => (await parked(scene)) === 0);
  expect(new Set(endpoint.requests.map(({ webhookId }) => webhookId)).size).toBe(3 * COUNT);
  for (const worker of [shop, mail])
    expect(logOf(worker!).filter(({ msg }) => msg === 'queue.open_failed')).toEqual([]);
});

it('a group that starts before the default group takes none of its copies', async () => {
  const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
  await scene.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Workqueue,
  });
  const [own, shop] = [
    { SUBJECT: 'webhooks.test', MAX_ATTEMPTS: '100' },
    { SUBJECT: 'webhooks.shop', MAX_ATTEMPTS: '1', QUEUE_GROUP: 'shop', CONSUMER_NAME: 'shop' },
  ];
  const first = await scene.startWorker({ ...shop, ORDERED_SUBJECT: 'off' });
  await scene.startWorker({ ...own, ORDERED_SUBJECT: 'off' });
  await scene.publishMany(COUNT, `${endpoint.url}/status/503`);
  await until(async () => (await parked(scene)) === COUNT);
  endpoint.recover();
  await until(async () => (await parked(scene)) === 0);
  expect((await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages).toBe(0);
  expect(logOf(first).filter(({ msg }) => msg === 'queue.open_failed')).toEqual([]);
  expect(new Set(endpoint.requests.map(({ webhookId }) => webhookId)).size).toBe(COUNT);
});

it('a second group on the stream of ordered webhooks is refused, with the cure, and delivers all other webhooks', async () => {
  const scene = await openTwoGroups();
  const third = await scene.startWorker(
    { CONSUMER_NAME: 'third', QUEUE_GROUP: 'third' },
    {},
    /ordering\.failed/,
  );
  const line = await third.waitForLine(/ordering\.failed/);
  expect(line).toContain('WEBHOOKS_ORDERED belongs to the group webhook-workers');
  expect(line).toContain('nats stream edit WEBHOOKS_ORDERED --metadata webhook-worker-group=third');
  await third.waitForLine(/worker\.started/);
});

it('copies that a renamed group left behind are reported in the log, in /health and in stats, with the cure', async () => {
  const [scene, endpoint] = [await openScene(), await startMisbehavingEndpoint()];
  const quiet = { ORDERED_SUBJECT: 'off', MAX_ATTEMPTS: '100' };
  const before = await scene.startWorker({ ...quiet, QUEUE_GROUP: 'old' });
  await scene.publishMany(COUNT, `${endpoint.url}/status/503`);
  await until(async () => (await parked(scene)) === COUNT);
  await stopWorker(before);
  await scene.manager.consumers.delete('WEBHOOKS', 'old');
  const { worker, healthIs } = await startWorkerWithHealth(scene, { ...quiet, QUEUE_GROUP: 'new' });
  const said = 'holds webhooks of the group old, which has no durable on the stream WEBHOOKS';
  await healthIs({ status: 'degraded', troubles: { configuration: expect.stringContaining(said) } });
  const lines = logOf(worker).filter(({ hint }) => String(hint).includes(said));
  expect(lines.map(({ msg }) => msg)).toEqual(['stream.misconfigured']);
  const stats = await runProgram(['stats'], { env: { ...scene.env, QUEUE_GROUP: 'new' } });
  await stats.waitForExit();
  expect(stats.stdout.join('\n')).toContain(`problem: The stream WEBHOOKS_PARKED ${said}`);
});
