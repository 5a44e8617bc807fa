import { headers, type StoredMsg } from 'nats';
import { beforeEach, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import {
  allSettled,
  deadLetterOf,
  type Environment,
  openScene,
  type Scene,
  setPaused,
  startEndpoint,
  stopWorker,
} from './scene.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});

const ID = { 'Webhook-Delivery-Id': 'order-7' };
const REPLAYED = { 'Webhook-Replayed': 'true' };

/**
 * Pauses the endpoint, and starts a worker. The first worker creates the table. The second worker reads the pause before it
 * delivers.
 */
async function startPaused(url: string, env: Environment = {}): Promise<void> {
  await stopWorker(await scene.startWorker());
  await setPaused(scene, url, true);
  await scene.startWorker(env);
}
const untilParked = () =>
  until(async () => (await scene.manager.streams.info('WEBHOOKS_PARKED')).state.messages > 0);

/** Publishes a dead letter again with all of its headers. */
async function publishWithAllHeaders(deadLetter: StoredMsg, more: Environment = {}): Promise<number> {
  const all = headers();
  for (const [name, values] of deadLetter.header) for (const value of values) all.append(name, value);
  for (const [name, value] of Object.entries({ ...REPLAYED, ...more })) all.set(name, value);
  const ack = await scene.js.publish(deadLetter.header.get('Webhook-Original-Subject'), deadLetter.data, {
    headers: all,
  });
  return ack.seq;
}

it('a replayed dead letter is sent with its first id, and is marked as a replay', async () => {
  const endpoint = await startEndpoint({ status: 500 });
  await scene.startWorker({ MAX_ATTEMPTS: '1' });
  const data = { webhook_url: endpoint.url, data: { n: 1 }, headers: { 'Webhook-Replayed': 'true' } };
  const deadLetter = await deadLetterOf(scene, await scene.publish(data, { headers: ID }));
  const header = { 'Webhook-Delivery-Id': deadLetter.header.get('Webhook-Delivery-Id'), ...REPLAYED };
  const subject = deadLetter.header.get('Webhook-Original-Subject');
  const again = await scene.publish(deadLetter.data, { subject, headers: header });
  await deadLetterOf(scene, again);
  expect(
    endpoint.requests.map(({ headers }) => [headers['webhook-id'], headers['webhook-replayed']]),
  ).toEqual([
    ['order-7', undefined],
    ['order-7', 'true'],
  ]);
});

it('a replay is marked at every attempt, even after it was parked', async () => {
  const endpoint = await startEndpoint({ status: 500 });
  await startPaused(endpoint.url, { MAX_ATTEMPTS: '2', BACKOFF_BASE_MS: '10' });
  await scene.publish({ webhook_url: endpoint.url, data: 1 }, { headers: { ...ID, ...REPLAYED } });
  await untilParked();
  await setPaused(scene, endpoint.url, false);
  await allSettled(scene);
  expect(endpoint.requests.map(({ headers }) => headers['webhook-replayed'])).toEqual(['true', 'true']);
});

it('a replay with all headers of its dead letter starts without the attempts and times of the dead letter', async () => {
  const endpoint = await startEndpoint();
  await startPaused(endpoint.url);
  const expired = await scene.publish(
    { webhook_url: endpoint.url, data: { n: 1 } },
    { headers: { ...ID, 'Webhook-Expires-At': '2020-01-01T00:00:00Z', 'Nats-Msg-Id': 'theirs' } },
  );
  const deadLetter = await deadLetterOf(scene, expired);
  await publishWithAllHeaders(deadLetter, {
    'Webhook-Attempts': '99',
    'Webhook-Not-Before': '2199-01-01T00:00:00Z',
    'Webhook-First-Seen': '1999-01-01T00:00:00Z',
    'Webhook-Original-Sequence': '5',
    'Webhook-Original-Stream-Created': '6',
  });
  await untilParked();
  await setPaused(scene, endpoint.url, false);
  await allSettled(scene);
  expect(
    endpoint.requests.map(({ headers }) => [headers['webhook-id'], headers['webhook-replayed']]),
  ).toEqual([['order-7', 'true']]);
});

it('the dead letter of a replay describes only the replay', async () => {
  await scene.startWorker();
  const first = await deadLetterOf(scene, await scene.publish({ webhook_url: 'nonsense' }, { headers: ID }));
  const again = await publishWithAllHeaders(first, { 'Webhook-Dead-Letter-Parts': '3' });
  const second = await deadLetterOf(scene, again);
  expect(second.header.get('Webhook-Delivery-Id')).toBe('order-7');
  expect(second.header.get('Webhook-Replayed')).toBe('true');
  expect(second.header.has('Webhook-Dead-Letter-Parts')).toBe(false);
  expect(second.header.values('Webhook-Original-Sequence')).toEqual(['2']);
});
