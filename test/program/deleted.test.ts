import { AckPolicy } from 'nats';
import { describe, expect, it } from 'vitest';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import {
  allSettled,
  deadLetterOf,
  type Endpoint,
  logOf,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  stopWorker,
} from './scene.ts';
import { startWorkerWithHealth } from './worker-with-health.ts';

const DURABLE = 'webhook-workers';
const DELIVERED = 20;

const deleteDurable = (scene: Scene) => scene.manager.consumers.delete('WEBHOOKS', DURABLE);
const delivered = (endpoint: Endpoint, count: number) => until(() => endpoint.received().webhookIds >= count);

/** The stream keeps delivered messages. A durable that starts at the beginning would send all of them again. */
async function openSceneThatKeeps(databaseUrl?: string) {
  const [scene, endpoint] = [await openScene({ ...(databaseUrl && { databaseUrl }) }), await startEndpoint()];
  await scene.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const deliver = async (count: number) => {
    const { webhookIds } = endpoint.received();
    await scene.publishMany(count, endpoint.url);
    await delivered(endpoint, webhookIds + count);
  };
  return { scene, endpoint, deliver };
}

const floorStored = (scene: Scene, floor: number) =>
  until(async () => {
    const [row] = await scene.query<{ ack_floor: string }>('SELECT ack_floor FROM rule_nats_group_progress');
    return Number(row?.ack_floor) === floor;
  });

describe('a deleted durable of a stream that keeps delivered messages', () => {
  it('is recreated after the last acknowledged message, and this is logged once', async () => {
    const { scene, endpoint, deliver } = await openSceneThatKeeps();
    const worker = await scene.startWorker();
    await deliver(DELIVERED);
    await floorStored(scene, DELIVERED);
    await deleteDurable(scene);
    await worker.waitForLine(
      new RegExp(`starts at sequence ${DELIVERED + 1}, because this group had acknowledged`),
    );
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: DELIVERED + 1, doubled: 0 });
    expect(logOf(worker).filter(({ msg }) => msg === 'consumer.recreated')).toHaveLength(1);
  });

  it('is recreated there by a worker that knows the position only from PostgreSQL', async () => {
    const { scene, endpoint, deliver } = await openSceneThatKeeps();
    const before = await scene.startWorker();
    await deliver(DELIVERED);
    await floorStored(scene, DELIVERED);
    await stopWorker(before);
    await deleteDurable(scene);
    await scene.startWorker();
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: DELIVERED + 1, doubled: 0 });
  });

  it('is recreated there while PostgreSQL is away', async () => {
    const postgres = await startPrivatePostgres();
    const { scene, endpoint, deliver } = await openSceneThatKeeps(postgres.url);
    await scene.startWorker();
    await postgres.kill();
    await deliver(DELIVERED);
    let queries = 0;
    scene.connection.subscribe('$JS.API.CONSUMER.INFO.>', { callback: () => queries++ });
    await until(async () => (await scene.manager.consumers.info('WEBHOOKS', DURABLE)).num_ack_pending === 0);
    const before = queries;
    // A query in progress may be older than the last ack. The worker has read the answer to the second query when it sends a
    // third one.
    await until(() => queries > before + 2);
    await deleteDurable(scene);
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: DELIVERED + 1, doubled: 0 });
  });

  it('is not recreated by a worker that needs PostgreSQL for the position, until PostgreSQL is back', async () => {
    const postgres = await startPrivatePostgres();
    const { scene, endpoint, deliver } = await openSceneThatKeeps(postgres.url);
    const before = await scene.startWorker();
    await deliver(DELIVERED);
    await floorStored(scene, DELIVERED);
    await stopWorker(before);
    await deleteDurable(scene);
    await postgres.kill();
    const worker = await scene.startWorker({}, {}, /consumer\.start_unknown/);
    await postgres.restart();
    await worker.waitForLine(/worker\.started/);
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: DELIVERED + 1, doubled: 0 });
  });
});

describe('a deleted stream', () => {
  it('that the worker recreates counts as a new stream: its messages have new ids and their own dead letters', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    const worker = await scene.startWorker();
    const [first] = [
      await scene.publish({ webhook_url: endpoint.url }),
      await scene.publish({ no: 'endpoint' }),
    ];
    await delivered(endpoint, 1);
    await deadLetterOf(scene, first + 1);
    await scene.manager.streams.delete('WEBHOOKS');
    await worker.waitForLine(/"kind":"webhooks".*stream\.recreated/);
    await until(() => scene.publish({ webhook_url: endpoint.url }).then((sequence) => sequence === first));
    await scene.publish({ no: 'endpoint' });
    await delivered(endpoint, 2);
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_DLQ')).state.messages === 2);
  });

  it('that another program recreates at once, with its durable, counts as a new stream, too', async () => {
    const { scene, endpoint, deliver } = await openSceneThatKeeps();
    await scene.startWorker();
    await deliver(3);
    await scene.manager.streams.delete('WEBHOOKS');
    await scene.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
    await scene.manager.consumers.add('WEBHOOKS', {
      durable_name: DURABLE,
      ack_policy: AckPolicy.Explicit,
      filter_subject: 'webhooks.*',
    });
    await deliver(3);
    // The stored ack floor is the one of the new stream. The ack floor of the old stream would not count.
    await floorStored(scene, 3);
    await deleteDurable(scene);
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: 7, doubled: 0 });
  });

  it('that is recreated with other subjects makes /health failing with the cure, which is logged at most twice', async () => {
    const scene = await openScene();
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.delete('WEBHOOKS');
    await scene.manager.streams.add({ name: 'WEBHOOKS', subjects: ['other.*'] });
    await healthIs({ code: 503, troubles: { nats: expect.stringContaining('add the subjects') } });
    await worker.waitForLine(/worker\.failing/);
    expect(worker.stdout.filter((line) => line.includes('SUBJECT: the stream')).length).toBeLessThanOrEqual(
      2,
    );
    await scene.manager.streams.update('WEBHOOKS', { subjects: ['webhooks.*'] });
    await healthIs({ code: 200, status: 'ok' });
    await worker.waitForLine(/worker\.recovered/);
  });
});

describe('a deleted parked stream', () => {
  it('is recreated when a message is to be parked', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await stopWorker(await scene.startWorker());
    await setPaused(scene, endpoint.url, true);
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.delete('WEBHOOKS_PARKED');
    await scene.publish({ webhook_url: endpoint.url });
    await worker.waitForLine(/"kind":"parked".*stream\.recreated/);
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
    await healthIs({ code: 200, status: 'ok' });
    await setPaused(scene, endpoint.url, false);
    await allSettled(scene);
    expect(endpoint.requests.length).toBe(1);
  });
});

describe('a deleted dead-letter stream', () => {
  it('is recreated, and the waiting dead letter is stored in it', async () => {
    const scene = await openScene();
    const { worker, healthIs } = await startWorkerWithHealth(scene);
    await scene.manager.streams.delete('WEBHOOKS_DLQ');
    const sequence = await scene.publish({ no: 'endpoint' });
    await healthIs({ code: 503, troubles: { deadLetters: expect.stringContaining('WEBHOOKS_DLQ') } });
    await worker.waitForLine(/"kind":"deadLetters".*stream\.recreated/);
    await deadLetterOf(scene, sequence);
    await healthIs({ code: 200, status: 'ok' });
  });
});
