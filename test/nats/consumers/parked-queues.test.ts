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
import { handOutsOf, KEY, PARKED, SUBJECT, startScene, stored, WANTED } from '../settlement/parking-scene.ts';

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

const wanted = (more: { endpointKey?: string; ackWaitMs?: number } = {}) => ({
  parkedStream: PARKED,
  sourceStream: STREAM,
  endpointKey: KEY,
  ackWaitMs: 60_000,
  ...more,
});
const NAME = `drain-${STREAM}-${KEY}`;

async function park(count: number): Promise<void> {
  for (let n = 0; n < count; n++) client.connection.publish(SUBJECT, `{"n":${n}}`);
  await until(async () => (await stored(client, PARKED)) >= count);
}

test('a drain takes one endpoint, and vanishes when nobody pulls', async () => {
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

test('a drain of what is due within one minute has room for all of it', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  const drain = await ensureParkedConsumer(client, wanted({ endpointKey: 'at.2027-01-31T12:00' }));
  if ('failed' in drain) throw new Error(drain.failed);
  expect((await client.manager.consumers.info(PARKED, drain.name)).config.max_ack_pending).toBe(100_000);
});

test('workers that make the same drain at once get the same one, also with another ACK_WAIT_MS', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  const other = await connectTo(server.url, login);
  const made = await Promise.all(
    [client, other, client, other].map((each, n) =>
      ensureParkedConsumer(each, wanted({ ackWaitMs: 60_000 + n })),
    ),
  );
  expect(made).toEqual(Array(4).fill({ name: NAME }));
});

test('a key that somebody else chose gets a drain too', async () => {
  await ensureInternalStream(client, 'parked', WANTED);
  for (const endpointKey of ['a.b', 'x'.repeat(230), 'é']) {
    const made = await ensureParkedConsumer(client, wanted({ endpointKey }));
    expect(made).toEqual({ name: expect.stringMatching(/^[\w-]{1,200}$/) });
  }
});

test('a drain that cannot be made is said', async () => {
  expect(await ensureParkedConsumer(client, wanted())).toEqual({
    failed: `cannot read the parked queue ${KEY} of ${PARKED}: stream not found`,
  });
});

test('two workers share what is parked, and none comes twice', async () => {
  const { drain } = await startScene(client);
  const other = await connectTo(server.url, login);
  const drains = [await drain(client, 10), await drain(other, 10)];
  await until(async () => (await client.manager.consumers.info(PARKED, NAME)).num_waiting >= 2);
  // Behind the pulls of both: one that begins later, on a busy machine, finds nothing left.
  await park(1000);
  for (const [n, { messages }] of drains.entries()) {
    void ackAll([client, other][n]!, messages);
  }
  await until(async () => (await stored(client, PARKED)) === 0);
  const seen = drains.flatMap(({ messages }) => messages.map(({ sequence }) => sequence));
  expect(seen.length).toBe(1000);
  expect(new Set(seen).size).toBe(1000);
  for (const { messages } of drains) expect(messages.length).toBeGreaterThan(0);

  async function ackAll(of: NatsClient, messages: { reply: string }[]): Promise<void> {
    let acked = 0;
    await until(() => {
      for (; acked < messages.length; acked++) of.connection.publish(messages[acked]!.reply, '+ACK');
      return seenAll();
    });
  }

  function seenAll(): boolean {
    return drains.reduce((sum, { messages }) => sum + messages.length, 0) >= 1000;
  }
});

test('what a drain had handed out when it vanished for want of pulls, the next one hands out again, as for the first time', async () => {
  const { drain } = await startScene(client, { ackWaitMs: 1000 });
  await park(5);
  const first = await drain();
  await first.next(4);
  await first.consumer.stop();
  const { config } = await client.manager.consumers.info(PARKED, NAME);
  await client.manager.consumers.update(PARKED, NAME, { ...config, inactive_threshold: nanos(100) });
  await until(async () => (await client.manager.streams.info(PARKED)).state.consumer_count === 0);
  const second = await drain();
  await second.next(4);
  expect(second.messages.slice(0, 5).map(({ sequence, deliveryCount }) => [sequence, deliveryCount])).toEqual(
    [1, 2, 3, 4, 5].map((sequence) => [sequence, 1]),
  );
});

test('a thousand drains that come and go leave nothing behind, also while the link is broken', async () => {
  await startScene(client);
  await ensureParkedConsumer(client, wanted());
  const link = await startLink(server.port);
  const worker = await connectTo(link.url, login);
  const before = subscriptions(worker);
  const come = () => Array.from({ length: 500 }, () => handOutsOf(worker, PARKED, NAME, 0).consumer);
  const some = come();
  expect(subscriptions(worker)).toBe(before + 1000);
  await Promise.all(some.map((consumer) => consumer.stop()));
  const others = come();
  const broken = brokenLink(worker);
  link.cut();
  await broken;
  await Promise.all(others.map((consumer) => consumer.stop()));
  expect(subscriptions(worker)).toBe(before);
});

/** Resolves as it breaks: a look at it every now and then may come when it is whole again. */
async function brokenLink({ connection }: NatsClient): Promise<void> {
  for await (const { type } of connection.status()) if (type === Events.Disconnect) return;
}

function subscriptions(of: NatsClient): number {
  const { protocol } = of.connection as unknown as { protocol: { subscriptions: { size(): number } } };
  return protocol.subscriptions.size();
}
