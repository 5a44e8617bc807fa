import { Events, nanos } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureParkedConsumer } from '../../../src/nats/consumers/parked-queues.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { startLink } from '../connection/link.ts';
import { STREAM } from '../group.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';
import {
  KEY,
  PARKED,
  receiveFrom,
  SUBJECT,
  startScene,
  stored,
  WANTED,
} from '../settlement/parking-scene.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
let login: { user: string; pass: string };
beforeEach(async () => {
  login = freshAccount().all;
  client = await connectTo(server.url, login);
});

const wanted = (more: { queueKey?: string; ackWaitMs?: number } = {}) => ({
  parkedStream: PARKED,
  owner: { sourceStream: STREAM, group: 'webhook-workers' },
  queueKey: KEY,
  ackWaitMs: 60_000,
  ...more,
});
const NAME = `drain-${STREAM}-${KEY}`;

async function park(count: number): Promise<void> {
  for (let n = 0; n < count; n++) client.connection.publish(SUBJECT, `{"n":${n}}`);
  await until(async () => (await stored(client, PARKED)) >= count);
}

test('the consumer of a parked queue takes the messages of one endpoint, and is removed when nobody pulls', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  expect(await ensureParkedConsumer(client, wanted())).toEqual({ name: NAME });
  expect((await client.manager.consumers.info(PARKED, NAME)).config).toMatchObject({
    filter_subject: SUBJECT,
    ack_policy: 'explicit',
    ack_wait: nanos(60_000),
    max_deliver: -1,
    max_ack_pending: 10_000,
    inactive_threshold: nanos(20_000),
  });
});

test('the consumer of a scheduled minute may have 100 000 unacked messages', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  const consumer = await ensureParkedConsumer(client, wanted({ queueKey: 'at.2027-01-31T12:00' }));
  if ('failed' in consumer) throw new Error(consumer.failed);
  expect((await client.manager.consumers.info(PARKED, consumer.name)).config.max_ack_pending).toBe(100_000);
});

test('the consumer of a group takes copies of the group only', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  const owner = { sourceStream: STREAM, group: 'shop' };
  const made = await ensureParkedConsumer(client, { ...wanted({ queueKey: 'a' }), owner });
  if ('failed' in made) throw new Error(made.failed);
  const { config } = await client.manager.consumers.info(PARKED, made.name);
  expect(config.filter_subject).toBe(`parked.${STREAM}.group.shop.a`);
});

test('workers that open the same parked queue at the same time get the same consumer, also with another ACK_WAIT_MS', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  const other = await connectTo(server.url, login);
  const made = await Promise.all(
    [client, other, client, other].map((each, n) =>
      ensureParkedConsumer(each, wanted({ ackWaitMs: 60_000 + n })),
    ),
  );
  expect(made).toEqual(Array(4).fill({ name: NAME }));
});

test('any endpoint key gets a consumer with a valid name', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  for (const queueKey of ['a.b', 'x'.repeat(230), 'é']) {
    const made = await ensureParkedConsumer(client, wanted({ queueKey }));
    expect(made).toEqual({ name: expect.stringMatching(/^[\w-]{1,200}$/) });
  }
});

test('a parked queue that cannot be opened is a failure with its reason', async () => {
  expect(await ensureParkedConsumer(client, wanted())).toEqual({
    failed: `cannot read the parked queue ${KEY} of ${PARKED}: stream not found`,
  });
});

test('two workers share a parked queue, and no message is delivered twice', async () => {
  const { openParked } = await startScene(client);
  const other = await connectTo(server.url, login);
  const readers = [await openParked(client, 10), await openParked(other, 10)];
  await until(async () => (await client.manager.consumers.info(PARKED, NAME)).num_waiting >= 2);
  // The messages are stored after both workers pull. A worker that pulled later would find no message on a busy machine.
  await park(1000);
  for (const [n, { messages }] of readers.entries()) {
    void ackAll([client, other][n]!, messages);
  }
  await until(async () => (await stored(client, PARKED)) === 0);
  const seen = readers.flatMap(({ messages }) => messages.map(({ sequence }) => sequence));
  expect(seen.length).toBe(1000);
  expect(new Set(seen).size).toBe(1000);
  for (const { messages } of readers) expect(messages.length).toBeGreaterThan(0);

  async function ackAll(of: NatsClient, messages: { reply: string }[]): Promise<void> {
    let acked = 0;
    await until(() => {
      for (; acked < messages.length; acked++) of.connection.publish(messages[acked]!.reply, '+ACK');
      return seenAll();
    });
  }

  function seenAll(): boolean {
    return readers.reduce((sum, { messages }) => sum + messages.length, 0) >= 1000;
  }
});

test('messages of a consumer that was removed because nobody pulled are delivered again, as for the first time', async () => {
  const { openParked } = await startScene(client, { ackWaitMs: 1000 });
  await park(5);
  const first = await openParked();
  await first.next(4);
  await first.consumer.stop();
  const { config } = await client.manager.consumers.info(PARKED, NAME);
  await client.manager.consumers.update(PARKED, NAME, { ...config, inactive_threshold: nanos(100) });
  await until(async () => (await client.manager.streams.info(PARKED)).state.consumer_count === 0);
  const second = await openParked();
  await second.next(4);
  expect(second.messages.slice(0, 5).map(({ sequence, deliveryCount }) => [sequence, deliveryCount])).toEqual(
    [1, 2, 3, 4, 5].map((sequence) => [sequence, 1]),
  );
});

test('a thousand consumers that start and stop leave no subscription, also while the link is broken', async () => {
  await startScene(client);
  await ensureParkedConsumer(client, wanted());
  const link = await startLink(server.port);
  const worker = await connectTo(link.url, login);
  const before = subscriptions(worker);
  const startConsumers = () =>
    Array.from({ length: 500 }, () => receiveFrom(worker, PARKED, NAME, 0).consumer);
  const first500 = startConsumers();
  expect(subscriptions(worker)).toBe(before + 1000);
  await Promise.all(first500.map((consumer) => consumer.stop()));
  const next500 = startConsumers();
  const broken = brokenLink(worker);
  link.cut();
  await broken;
  await Promise.all(next500.map((consumer) => consumer.stop()));
  expect(subscriptions(worker)).toBe(before);
});

/** Resolves when the link breaks. Polling could be too late, because the client reconnects soon. */
async function brokenLink({ connection }: NatsClient): Promise<void> {
  for await (const { type } of connection.status()) if (type === Events.Disconnect) return;
}

function subscriptions(of: NatsClient): number {
  const { protocol } = of.connection as unknown as { protocol: { subscriptions: { size(): number } } };
  return protocol.subscriptions.size();
}
