import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { nanos } from 'nats';
import { beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import type { ReceivedMessage } from '../../../src/nats/messages/received-message.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import {
  DURABLE,
  groupState,
  makeDurable,
  makeGroup,
  publish,
  recordPulls,
  STREAM,
  settled,
  startWorker,
} from '../group.ts';
import { connectTo } from '../servers.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats();
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url);
  for await (const name of client.manager.streams.names()) await client.manager.streams.delete(name);
  await makeGroup(client);
});

/** Holds every message until `open` is called. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { handle: (_message: ReceivedMessage) => opened, open: () => open() };
}

const openPulls = async () => (await groupState(client)).num_waiting;

test.each([
  { messages: 300, slots: 1 },
  { messages: 3000, slots: 1000 },
  { messages: 3000, slots: 7, maxBatch: 2 },
  { messages: 3000, slots: 300, maxBatch: 1 },
  { messages: 3000, slots: 50, maxBatch: 1000 },
])('no message is held without a slot, and each is delivered once ($slots slots, batches of $maxBatch)', async ({
  messages,
  ...options
}) => {
  await publish(client, messages);
  const worker = startWorker(client, { ...options, handle: () => pause(Math.random() * 3) });
  await until(() => settled(client));
  expect(worker.mostHeld()).toBeLessThanOrEqual(options.slots);
  expect(worker.surplus()).toBe(0);
  expect(worker.sequences().size).toBe(messages);
  expect(worker.seen.length).toBe(messages);
});

test.each([
  { slots: 100, maxBatch: 1 },
  { slots: 100, maxBatch: 30 },
  { slots: 100, maxBatch: 100 },
])('slow messages fill every slot, whatever the batch size ($maxBatch)', async (options) => {
  await publish(client, 300);
  const pulls = await recordPulls(client);
  const { handle, open } = gate();
  const worker = startWorker(client, { ...options, handle });
  await until(() => worker.slots.free() === 0);
  // No pull request had to expire, because none was repeated.
  expect(worker.seen.length).toBe(100);
  expect(pulls.reduce((sum, { batch }) => sum + batch, 0)).toBe(100);
  open();
  await until(() => settled(client));
});

test('slots that become free beside a half used pull request are requested when it is used up', async () => {
  const [first, later] = [gate(), gate()];
  const pulls = await recordPulls(client);
  const worker = startWorker(client, {
    slots: 10,
    handle: (message) => (message.sequence <= 4 ? first : later).handle(message),
  });
  await until(async () => (await openPulls()) === 1);
  await publish(client, 4);
  await until(() => worker.slots.free() === 6);
  first.open();
  // 10 slots are free now, and 6 messages are requested.
  await until(() => worker.slots.free() === 10);
  await publish(client, 30);
  await until(() => worker.slots.free() === 0);
  // If the pull request had to expire first, the next one would request all 10.
  await until(() => pulls.at(-1)!.batch === 4);
  later.open();
  await until(() => settled(client));
});

test('while no message comes, one pull request for all slots is open, and a late message is delivered', async () => {
  const pulls = await recordPulls(client);
  const worker = startWorker(client, { slots: 20 });
  await until(() => pulls.length === 3);
  expect(pulls).toEqual([1, 2, 3].map(() => expect.objectContaining({ batch: 20 })));
  await until(async () => (await openPulls()) === 1);
  await publish(client, 1);
  await until(() => worker.seen.length === 1);
});

test('single messages do not leave many pull requests open on the server', async () => {
  const worker = startWorker(client, { slots: 100 });
  let most = 0;
  for (let n = 0; n < 1000; n++) {
    await publish(client, 1);
    if (n % 50 === 0) most = Math.max(most, await openPulls());
  }
  await until(() => settled(client));
  expect(worker.seen.length).toBe(1000);
  expect(most).toBeLessThanOrEqual(16);
});

test('credits do not drift: after bursts of 20 000 messages in all, all slots are requested again, and no more', async () => {
  const pulls = await recordPulls(client);
  const worker = startWorker(client, { slots: 64, handle: () => pause(Math.random() * 4) });
  for (let left = 20_000; left > 0; ) {
    const burst = Math.min(left, 1 + Math.floor(Math.random() * 2000));
    await publish(client, burst);
    left -= burst;
  }
  await until(() => settled(client));
  expect(worker.surplus()).toBe(0);
  expect(worker.seen.length).toBe(20_000);
  expect(worker.mostHeld()).toBeLessThanOrEqual(64);
  await until(async () => pulls.at(-1)!.batch === 64 && (await openPulls()) === 1);
}, 120_000);

test('two consumers of a group share the messages, and none is delivered twice', async () => {
  await publish(client, 4000);
  const workers = [client, await connectTo(server.url)].map((each) =>
    startWorker(each, { slots: 20, handle: () => pause(Math.random() * 2) }),
  );
  await until(() => settled(client));
  const all = workers.flatMap(({ seen }) => seen.map(({ sequence }) => sequence));
  expect(all.length).toBe(4000);
  expect(new Set(all).size).toBe(4000);
  for (const { seen } of workers) expect(seen.length).toBeGreaterThan(0);
});

test('an event loop that is blocked for longer than its pull requests neither loses a message nor takes too many', async () => {
  const { handle, open } = gate();
  const worker = startWorker(client, { slots: 10, handle });
  const publisher = connect(server.port, '127.0.0.1');
  onTestFinished(() => void publisher.destroy());
  await once(publisher, 'data');
  await until(async () => (await openPulls()) === 1);
  // The data is written at once, not by the event loop. Its messages arrive while the event loop is blocked, for longer than
  // a pull request lasts.
  publisher.write(`CONNECT {"verbose":false}\r\n${'PUB webhooks.orders 2\r\n{}\r\n'.repeat(30)}`);
  const blockedUntil = performance.now() + 5000;
  while (performance.now() < blockedUntil);
  await until(() => worker.slots.free() === 0);
  expect(worker.mostHeld()).toBe(10);
  open();
  await until(async () => worker.seen.length === 30 && (await settled(client)));
  expect(worker.surplus()).toBe(0);
});

test('a stopped consumer has taken every message on its way, and another consumer gets the rest at once', async () => {
  await publish(client, 2000);
  const worker = startWorker(client, { slots: 500 });
  await until(() => worker.seen.length > 0);
  await worker.consumer.stop();
  const { length } = worker.seen;
  await worker.slots.whenIdle(5000);
  expect(await worker.acks.flush(5000)).toBe(true);
  expect(worker.seen.length).toBe(length);
  const other = startWorker(client, { slots: 500 });
  // A lost message would stay pending for the ack wait, a minute. Messages that the server could not deliver to the stopped
  // consumer are pending too, until the other consumer takes them.
  await until(() => settled(client));
  expect(worker.seen.length + other.seen.length).toBe(2000);
  expect(new Set([...worker.sequences(), ...other.sequences()]).size).toBe(2000);
});

test('a stopped consumer sends no pull request', async () => {
  const worker = startWorker(client, { slots: 5 });
  await until(async () => (await openPulls()) === 1);
  await worker.consumer.stop();
  const pulls = await recordPulls(client);
  await publish(client, 3);
  worker.consumer.onSlotFreed();
  await until(async () => (await openPulls()) === 0);
  expect(worker.seen.length).toBe(0);
  expect(pulls.length).toBe(0);
});

test('a durable that is gone is reported, requested with backoff, and found again when it is recreated', async () => {
  const ours = await connectTo(server.url);
  const worker = startWorker(ours, { slots: 10 });
  await until(async () => (await openPulls()) === 1);
  expect(worker.consumer.problem()).toBe(null);
  await client.manager.consumers.delete('WEBHOOKS', 'webhook-workers');
  await until(() => worker.consumer.problem()?.includes('503'));
  const goneAt = performance.now();
  const { outMsgs } = ours.connection.stats();
  await until(() => ours.connection.stats().outMsgs >= outMsgs + 4);
  // Each wait is twice as long as the wait before. The first one is 100 ms.
  expect(performance.now() - goneAt).toBeGreaterThan(1000);
  await makeDurable(client);
  await publish(client, 20);
  await until(() => worker.seen.length === 20);
  await until(() => worker.consumer.problem() === null);
});

test('messages are delivered again after nats-server was killed and started again', async () => {
  const own = await startTestNats();
  const ours = await connectTo(own.url);
  await makeGroup(ours);
  const worker = startWorker(ours, { slots: 10 });
  await publish(ours, 100);
  await until(() => settled(ours));
  await own.kill();
  await until(() => !ours.isConnected());
  await own.restart();
  await until(() => ours.isConnected());
  await publish(ours, 100);
  await until(() => worker.seen.length >= 200);
  await until(() => settled(ours));
  expect(worker.sequences().size).toBe(200);
  expect(worker.mostHeld()).toBeLessThanOrEqual(10);
  expect(worker.consumer.problem()).toBe(null);
});

test('pull requests without an answer are reported', async () => {
  const config = `authorization { users: [
    { user: all, password: x }
    { user: mute, password: x, permissions: { publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] } } }
  ] }`;
  const own = await startTestNats({ config });
  await makeGroup(await connectTo(own.url, { user: 'all', pass: 'x' }));
  const worker = startWorker(await connectTo(own.url, { user: 'mute', pass: 'x' }), { slots: 10 });
  await until(() => worker.consumer.problem() === 'pull requests are not answered');
});

test('the pull request is repeated when a server that announced its stop is back', async () => {
  const own = await startTestNats();
  const ours = await connectTo(own.url);
  await makeGroup(ours);
  const worker = startWorker(ours, { slots: 10 });
  await own.restart();
  await until(() => ours.isConnected());
  await publish(ours, 5);
  await until(() => worker.seen.length === 5);
});

test('a durable with pull limits gets no larger and no longer pull requests', async () => {
  await client.manager.consumers.delete(STREAM, DURABLE);
  await makeDurable(client, { max_batch: 3, max_expires: nanos(500) });
  await publish(client, 200);
  const worker = startWorker(client, { slots: 50, limits: { batch: 3, expiresMs: 500 } });
  await until(() => settled(client));
  expect(worker.sequences().size).toBe(200);
});

test('after a rejected pull request, no other is sent before the durable is verified', async () => {
  let verifications = 0;
  let isVerified = false;
  const verify = async () => {
    verifications++;
    return isVerified;
  };
  const pulls = await recordPulls(client);
  const worker = startWorker(client, { slots: 10, verify });
  await until(() => pulls.length > 0);
  const { config } = await groupState(client);
  await client.manager.consumers.delete(STREAM, DURABLE);
  await client.manager.consumers.add(STREAM, config);
  await publish(client, 5);
  const before = pulls.length;
  await until(() => verifications >= 2);
  expect(pulls.length).toBe(before);
  expect(worker.seen.length).toBe(0);
  isVerified = true;
  await until(() => settled(client));
  expect(worker.seen.length).toBe(5);
});

test('a message that waits for its body is a credit, so that nothing else takes its slot', async () => {
  const { config } = await client.manager.consumers.info(STREAM, DURABLE);
  await client.manager.consumers.update(STREAM, DURABLE, { ...config, headers_only: true } as never);
  await publish(client, 20);
  const worker = startWorker(client, { slots: 10 });
  const { consumer, slots, seen } = worker;
  let least = Number.POSITIVE_INFINITY;
  const read = client.connection.request.bind(client.connection);
  client.connection.request = async (subject, payload, options) => {
    // All credits of the first pull request have arrived, and no body has.
    if (subject.includes('STREAM.MSG.GET') && seen.length === 0) {
      await pause(50);
      if (seen.length === 0) least = Math.min(least, consumer.credits() + slots.busy());
    }
    return read(subject, payload, options);
  };
  await until(() => settled(client));
  expect(least).toBe(10);
  expect(worker.surplus()).toBe(0);
  expect(worker.sequences().size).toBe(20);
});
