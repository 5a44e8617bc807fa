import { AckPolicy, type ConsumerConfig, nanos, type RetentionPolicy } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { consumerInfo } from '../../../src/nats/consumers/consumer-info.ts';
import {
  ensureGroupConsumer,
  type GroupConsumerOptions,
  MAX_ACK_PENDING,
} from '../../../src/nats/consumers/group-consumer.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount, refusal } from '../servers.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
});

const wanted = (more: Partial<GroupConsumerOptions> = {}): GroupConsumerOptions => ({
  stream: 'WEBHOOKS',
  durable: 'workers',
  subjects: ['webhooks.*'],
  ackWaitMs: 60_000,
  maxAckPending: MAX_ACK_PENDING,
  ...more,
});

async function createStream(retention: 'limits' | 'workqueue', messages = 0): Promise<void> {
  await client.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*', 'other.*'],
    retention: retention as RetentionPolicy,
  });
  for (let n = 0; n < messages; n++) await client.connection.jetstream().publish('webhooks.a', String(n));
}

/** Creates a durable of another program that has acked the first `acked` messages. */
async function createOther(name: string, acked: number, config: Partial<ConsumerConfig> = {}): Promise<void> {
  await client.manager.consumers.add('WEBHOOKS', {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    ...config,
  });
  const consumer = await client.connection.jetstream().consumers.get('WEBHOOKS', name);
  for (let n = 0; n < acked; n++) (await consumer.next())?.ack();
  await until(async () => (await consumer.info()).ack_floor.stream_seq === acked);
}

const configOf = async (name = 'workers') => (await client.manager.consumers.info('WEBHOOKS', name)).config;

test('a missing durable is created with explicit acks, without a limit of deliveries, and for 100 000 unacked messages', async () => {
  await createStream('workqueue');
  const found = await ensureGroupConsumer(client, wanted());
  expect(found).toEqual({
    isNew: true,
    ackWaitMs: 60_000,
    maxAckPending: 100_000,
    subjects: ['webhooks.*'],
    pullLimits: { batch: null, expiresMs: null },
    createdAt: expect.any(Number),
    notice: null,
    warnings: [],
  });
  const config = await configOf();
  expect(config).toMatchObject({
    ack_policy: 'explicit',
    deliver_policy: 'all',
    max_deliver: -1,
    ack_wait: nanos(60_000),
    filter_subject: 'webhooks.*',
  });
  expect(config.backoff).toBeUndefined();
});

test('several subjects become several filters of one durable', async () => {
  await createStream('workqueue');
  const found = await ensureGroupConsumer(client, wanted({ subjects: ['webhooks.a', 'other.*'] }));
  expect(found).toMatchObject({ subjects: ['webhooks.a', 'other.*'], warnings: [] });
});

test('workers that create the durable at the same time share one durable', async () => {
  await createStream('limits', 3);
  const found = await Promise.all(
    [1, 2, 3, 4].map((n) => ensureGroupConsumer(client, wanted({ ackWaitMs: n * 10_000 }))),
  );
  expect(found.filter(({ isNew }) => isNew)).toHaveLength(1);
  expect(new Set(found.map(({ ackWaitMs }) => ackWaitMs)).size).toBe(1);
});

test('an existing durable is not changed: the warnings name each difference, and the values of the server are used', async () => {
  await createStream('workqueue');
  await client.manager.consumers.add('WEBHOOKS', {
    durable_name: 'workers',
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(30_000),
    max_ack_pending: 1000,
    max_deliver: 3,
    filter_subject: 'webhooks.a',
    backoff: [nanos(1000), nanos(2000)],
  });
  const before = await configOf();
  const found = await ensureGroupConsumer(client, wanted());
  expect(found).toMatchObject({ isNew: false, maxAckPending: 1000, subjects: ['webhooks.a'], notice: null });
  expect(found.warnings).toEqual([
    expect.stringContaining('takes webhooks.a, not SUBJECT=webhooks.*'),
    expect.stringContaining('has ack_wait 1000 ms, not ACK_WAIT_MS=60000'),
    expect.stringContaining('has max_ack_pending 1000, not 100000'),
    expect.stringContaining(
      'delivers a message at most 3 times, which may be before MAX_ATTEMPTS, and then drops the message',
    ),
    expect.stringContaining('has its own backoff, which makes the delays of our retries wrong'),
  ]);
  expect(await configOf()).toEqual(before);
});

test('a push consumer with the name of the durable is refused, with the cure', async () => {
  await createStream('limits');
  await client.manager.consumers.add('WEBHOOKS', {
    durable_name: 'workers',
    ack_policy: AckPolicy.Explicit,
    deliver_subject: 'push.here',
  });
  const message = await refusal(ensureGroupConsumer(client, wanted()));
  expect(message).toMatch(/QUEUE_GROUP: the consumer workers .* is a push consumer/);
  expect(message).toContain('nats consumer rm WEBHOOKS workers');
});

test('a durable that does not wait for acks is refused', async () => {
  await createStream('limits');
  await client.manager.consumers.add('WEBHOOKS', { durable_name: 'workers', ack_policy: AckPolicy.None });
  expect(await refusal(ensureGroupConsumer(client, wanted()))).toMatch(/ack policy "none"/);
});

test('a second group on a work queue is refused, with the name of the first group', async () => {
  await createStream('workqueue');
  await ensureGroupConsumer(client, wanted({ durable: 'first' }));
  const message = await refusal(ensureGroupConsumer(client, wanted()));
  expect(message).toMatch(
    /is a work queue, and the durable first takes webhooks\.\* already\. Set QUEUE_GROUP=first/,
  );
});

test('START_FROM on a work queue is refused, with the cure', async () => {
  await createStream('workqueue');
  expect(await refusal(ensureGroupConsumer(client, wanted({ startFrom: 'new' })))).toMatch(
    /remove START_FROM/,
  );
});

test('the first durable of a stream that keeps messages starts at the beginning, and a notice says how many messages there are', async () => {
  await createStream('limits', 3);
  const { notice } = await ensureGroupConsumer(client, wanted());
  expect(notice).toMatch(/starts at the beginning: all 3 messages that the stream keeps/);
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toMatchObject({ pending: 3 });
});

test('a durable of a stream that keeps messages starts after the ack floor of another durable with the same subjects', async () => {
  await createStream('limits', 5);
  await createOther('reference', 3);
  const { notice } = await ensureGroupConsumer(client, wanted());
  expect(notice).toMatch(/starts at sequence 4, because the durable reference /);
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toMatchObject({ pending: 2 });
});

test('the lowest ack floor counts if several durables have the same subjects', async () => {
  await createStream('limits', 5);
  await createOther('ahead', 4, { filter_subject: 'webhooks.a' });
  await createOther('behind', 1, { filter_subject: 'webhooks.*' });
  expect((await ensureGroupConsumer(client, wanted())).notice).toMatch(
    /starts at sequence 2, because the durable behind /,
  );
});

test('durables with other subjects do not count', async () => {
  await createStream('limits', 2);
  await createOther('elsewhere', 0, { filter_subject: 'other.*' });
  expect((await ensureGroupConsumer(client, wanted())).notice).toMatch(/starts at the beginning/);
});

test('START_FROM=new skips the messages that the stream keeps', async () => {
  await createStream('limits', 3);
  expect((await ensureGroupConsumer(client, wanted({ startFrom: 'new' }))).notice).toMatch(
    /from now on, as START_FROM says/,
  );
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toMatchObject({ pending: 0 });
});

test('START_FROM=all wins over the ack floors of other durables', async () => {
  await createStream('limits', 3);
  await createOther('reference', 2);
  await ensureGroupConsumer(client, wanted({ startFrom: 'all' }));
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toMatchObject({ pending: 3 });
});

test('START_FROM with a time starts at that time', async () => {
  await createStream('limits', 2);
  const second = await client.manager.streams.getMessage('WEBHOOKS', { seq: 2 });
  await ensureGroupConsumer(
    client,
    wanted({ startFrom: new Date(second.time.getTime() + 1000).toISOString() }),
  );
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toMatchObject({ pending: 0 });
});

test('a durable that is gone is recreated after its last known ack floor', async () => {
  await createStream('limits', 5);
  const { notice } = await ensureGroupConsumer(
    client,
    wanted({ lastAckFloor: async () => 4, startFrom: 'all' }),
  );
  expect(notice).toMatch(/starts at sequence 5/);
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toMatchObject({ pending: 1 });
});

test('the info of a consumer has its pending and unacked messages and its ack floor', async () => {
  await createStream('limits', 5);
  await createOther('workers', 2);
  const consumer = await client.connection.jetstream().consumers.get('WEBHOOKS', 'workers');
  (await consumer.next())?.nak();
  await consumer.next();
  await consumer.next();
  expect(await consumerInfo(client, 'WEBHOOKS', 'workers')).toEqual({
    createdAt: expect.any(Number),
    pending: 1,
    ackPending: 2,
    ackFloor: 2,
    openPulls: 0,
  });
});

test('the info of a consumer that does not exist is null', async () => {
  await createStream('limits');
  expect(await consumerInfo(client, 'WEBHOOKS', 'nobody')).toBeNull();
});

test('the pull limits of a durable are returned, and a durable whose pull requests end at once is refused', async () => {
  await createStream('workqueue');
  await createOther('workers', 0, { max_batch: 10, max_expires: nanos(1000) });
  expect(await ensureGroupConsumer(client, wanted())).toMatchObject({
    pullLimits: { batch: 10, expiresMs: 1000 },
  });
  await client.manager.consumers.delete('WEBHOOKS', 'workers');
  await createOther('workers', 0, { max_expires: nanos(5) });
  expect(await refusal(ensureGroupConsumer(client, wanted()))).toMatch(/^QUEUE_GROUP: .*max_expires/);
});
