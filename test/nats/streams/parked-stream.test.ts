import { DiscardPolicy, nanos, RetentionPolicy, StorageType } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { SCHEDULED_KEYS } from '../../../src/core/scheduled-queue.ts';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { listParked } from '../../../src/nats/consumers/parked-queues.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount, refusal } from '../servers.ts';
import { stored, WANTED } from '../settlement/parking-scene.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
});

const PARKED = WANTED.name;
const OWNER = { sourceStream: WANTED.sourceStream, group: 'webhook-workers' };
const list = () => listParked(client, PARKED, OWNER);

test('the parked stream is a work queue that refuses messages when it is full', async () => {
  const made = await ensureInternalStream(client, 'parked', WANTED);
  const { config, created } = await client.manager.streams.info(PARKED);
  expect(made).toEqual({ isNew: true, createdAt: Date.parse(created), canFill: false, warnings: [] });
  expect(config).toMatchObject({
    subjects: ['parked.WEBHOOKS.>'],
    retention: 'workqueue',
    storage: 'file',
    discard: 'new',
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    allow_direct: true,
    duplicate_window: nanos(120_000),
  });
  expect(await ensureInternalStream(client, 'parked', WANTED)).toEqual({ ...made, isNew: false });
});

test('the list of scheduled queues contains no other queues', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  for (const key of ['example-com-0a1b2c3d', 'at.2027-01-31', 'at.2027-01-31T12:00', 'at.2027-01-31T12:00'])
    await client.connection.request(`parked.${WANTED.sourceStream}.${key}`, '{}', { timeout: 5000 });
  expect(await listParked(client, PARKED, OWNER, SCHEDULED_KEYS)).toEqual(
    new Map([
      ['at.2027-01-31', 1],
      ['at.2027-01-31T12:00', 2],
    ]),
  );
  expect((await list())?.size).toBe(3);
});

test('the list of a group contains no copies of other groups', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  for (const key of [
    'old-0a1b2c3d',
    'group.shop.mine-0a1b2c3d',
    'group.shop.at.2027-01-31',
    'group.shop2.x-0a1b2c3d',
  ])
    await client.connection.request(`parked.${WANTED.sourceStream}.${key}`, '{}', { timeout: 5000 });
  const listOf = async (group: string, keys?: string) => [
    ...(await listParked(client, PARKED, { ...OWNER, group }, keys))!.keys(),
  ];
  expect(await listOf('webhook-workers')).toEqual(['old-0a1b2c3d']);
  expect((await listOf('shop')).sort()).toEqual(['at.2027-01-31', 'mine-0a1b2c3d']);
  expect(await listOf('shop', SCHEDULED_KEYS)).toEqual(['at.2027-01-31']);
});

test('the parked stream recognises a copy for at least twice the time after which the copy may be parked again', async () => {
  await ensureInternalStream(client, 'parked', { ...WANTED, ackWaitMs: 600_000 });
  const { config } = await client.manager.streams.info(PARKED);
  expect(config.duplicate_window).toBe(nanos(1_200_000));
});

test('the warnings about a parked stream name what it may lose, and that it can become full', async () => {
  await client.manager.streams.add({
    name: PARKED,
    subjects: ['parked.>'],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.Memory,
    discard: DiscardPolicy.Old,
    max_msgs: 10,
    max_age: nanos(60_000),
    max_msg_size: 1000,
    duplicate_window: nanos(30_000),
  });
  const { warnings, canFill } = await ensureInternalStream(client, 'parked', WANTED);
  expect(canFill).toBe(true);
  expect(warnings.map((warning) => warning.split(':')[0])).toEqual([
    `The stream ${PARKED} drops its oldest webhooks when it is full`,
    `The stream ${PARKED} drops webhooks that wait for more than 60 s`,
    `The stream ${PARKED} can become full, and then endpoints without capacity slow down the others`,
    `The stream ${PARKED} takes no webhook of more than 1000 bytes, headers included`,
    `The stream ${PARKED} may hold two copies of a webhook whose worker died`,
    `The stream ${PARKED} loses all waiting webhooks when nats-server restarts, because its storage is memory.`,
  ]);
});

test.each([
  [RetentionPolicy.Limits, 'delivered again and again'],
  [RetentionPolicy.Interest, 'the stream drops copies while no consumer reads it'],
])('a parked stream with retention %s is refused: %s', async (retention, why) => {
  await client.manager.streams.add({ name: PARKED, subjects: ['parked.>'], retention });
  expect(await refusal(ensureInternalStream(client, 'parked', WANTED))).toContain(why);
});

test('a parked stream without our subject is refused, with the cure', async () => {
  await client.manager.streams.add({ name: PARKED, subjects: ['other.>'] });
  expect(await refusal(ensureInternalStream(client, 'parked', WANTED))).toBe(
    'PARKED_STREAM_NAME: the stream WEBHOOKS_PARKED does not carry parked.WEBHOOKS.>. Set PARKED_STREAM_NAME to another name, ' +
      'or add the subject: `nats stream edit WEBHOOKS_PARKED --subjects other.>,parked.WEBHOOKS.>`.',
  );
});

test('the list contains how many messages are parked per endpoint, of our stream only', async () => {
  await client.manager.streams.add({
    name: PARKED,
    subjects: ['parked.>'],
    retention: RetentionPolicy.Workqueue,
  });
  expect(await list()).toEqual(new Map());
  for (const subject of ['WEBHOOKS.a', 'WEBHOOKS.a', 'WEBHOOKS.b', 'OTHER.c']) {
    await client.connection.request(`parked.${subject}`, '{}', { timeout: 5000 });
  }
  expect(await list()).toEqual(
    new Map([
      ['a', 2],
      ['b', 1],
    ]),
  );
});

test('the list contains every page: one page of the server has at most 100 000 endpoints', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  for (let n = 0; n < 100_010; n++) client.connection.publish(`parked.WEBHOOKS.k${n}`);
  await until(async () => (await stored(client, PARKED)) === 100_010);
  const parked = await list();
  expect(parked?.size).toBe(100_010);
  expect(parked?.get('k100009')).toBe(1);
});

test('the list is null while the stream or NATS is away', async () => {
  expect(await list()).toBe(null);
  await ensureInternalStream(client, 'parked', WANTED);
  await client.close();
  expect(await list()).toBe(null);
});
