import { AckPolicy } from 'nats';
import { describe, expect, it } from 'vitest';
import { startPrivatePostgres } from '../support/servers.ts';
import { until } from '../support/wait.ts';
import { startAskable } from './askable.ts';
import {
  deadLetterOf,
  drained,
  type Endpoint,
  logOf,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  stopWorker,
} from './scene.ts';

const DURABLE = 'webhook-workers';
const KEPT = 20;

const deleteDurable = (scene: Scene) => scene.manager.consumers.delete('WEBHOOKS', DURABLE);
const delivered = (endpoint: Endpoint, count: number) => until(() => endpoint.received().webhookIds >= count);

/** A stream that keeps what was delivered: a durable that started at its beginning would send all of it again. */
async function keepingStream(databaseUrl?: string) {
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

describe('the durable of a stream that keeps what was delivered, when it is deleted', () => {
  it('is made again behind what was delivered, and this is said once', async () => {
    const { scene, endpoint, deliver } = await keepingStream();
    const worker = await scene.startWorker();
    await deliver(KEPT);
    await floorStored(scene, KEPT);
    await deleteDurable(scene);
    await worker.waitForLine(
      new RegExp(`starts at sequence ${KEPT + 1}, because this group had acknowledged`),
    );
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: KEPT + 1, doubled: 0 });
    expect(logOf(worker).filter(({ msg }) => msg === 'consumer.recreated')).toHaveLength(1);
  });

  it('is made again there by a worker that knows it only from PostgreSQL', async () => {
    const { scene, endpoint, deliver } = await keepingStream();
    const before = await scene.startWorker();
    await deliver(KEPT);
    await floorStored(scene, KEPT);
    await stopWorker(before);
    await deleteDurable(scene);
    await scene.startWorker();
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: KEPT + 1, doubled: 0 });
  });

  it('is made again there while PostgreSQL is away', async () => {
    const postgres = await startPrivatePostgres();
    const { scene, endpoint, deliver } = await keepingStream(postgres.url);
    await scene.startWorker();
    await postgres.kill();
    await deliver(KEPT);
    let looks = 0;
    scene.connection.subscribe('$JS.API.CONSUMER.INFO.>', { callback: () => looks++ });
    await until(async () => (await scene.manager.consumers.info('WEBHOOKS', DURABLE)).num_ack_pending === 0);
    const seen = looks;
    // The one under way may be older; what follows the second has read its answer.
    await until(() => looks > seen + 2);
    await deleteDurable(scene);
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: KEPT + 1, doubled: 0 });
  });

  it('is not made by a worker that cannot know where it was, until PostgreSQL is back', async () => {
    const postgres = await startPrivatePostgres();
    const { scene, endpoint, deliver } = await keepingStream(postgres.url);
    const before = await scene.startWorker();
    await deliver(KEPT);
    await floorStored(scene, KEPT);
    await stopWorker(before);
    await deleteDurable(scene);
    await postgres.kill();
    const worker = await scene.startWorker({}, {}, /consumer\.start_unknown/);
    await postgres.restart();
    await worker.waitForLine(/worker\.started/);
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: KEPT + 1, doubled: 0 });
  });
});

describe('a stream that is deleted and made again', () => {
  it('by the worker, is another one: its messages have ids and dead letters of their own', async () => {
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

  it('by somebody else, with its durable and in no time, is another one too', async () => {
    const { scene, endpoint, deliver } = await keepingStream();
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
    // A floor of the stream before would not count, and none of this one is behind.
    await floorStored(scene, 3);
    await deleteDurable(scene);
    await deliver(1);
    expect(endpoint.received()).toMatchObject({ requests: 7, doubled: 0 });
  });

  it('with other subjects fails health with the cure, said once', async () => {
    const scene = await openScene();
    const { worker, healthIs } = await startAskable(scene);
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

describe('the stream of parked messages, when it is deleted', () => {
  it('is made again while a message needs it', async () => {
    const [scene, endpoint] = [await openScene(), await startEndpoint()];
    await stopWorker(await scene.startWorker());
    await setPaused(scene, endpoint.url, true);
    const { worker, healthIs } = await startAskable(scene);
    await scene.manager.streams.delete('WEBHOOKS_PARKED');
    await scene.publish({ webhook_url: endpoint.url });
    await worker.waitForLine(/"kind":"parked".*stream\.recreated/);
    await until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages === 1);
    await healthIs({ code: 200, status: 'ok' });
    await setPaused(scene, endpoint.url, false);
    await drained(scene);
    expect(endpoint.requests.length).toBe(1);
  });
});

describe('the stream of dead letters, when it is deleted', () => {
  it('is made again, and the letter that found none is in it', async () => {
    const scene = await openScene();
    const { worker, healthIs } = await startAskable(scene);
    await scene.manager.streams.delete('WEBHOOKS_DLQ');
    const sequence = await scene.publish({ no: 'endpoint' });
    await healthIs({ code: 503, troubles: { deadLetters: expect.stringContaining('WEBHOOKS_DLQ') } });
    await worker.waitForLine(/"kind":"deadLetters".*stream\.recreated/);
    await deadLetterOf(scene, sequence);
    await healthIs({ code: 200, status: 'ok' });
  });
});
