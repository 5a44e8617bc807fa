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
  countPulls,
  DURABLE,
  groupState,
  makeDurable,
  makeGroup,
  publish,
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
])('no message is held without a slot, and each comes once ($slots slots, batches of $maxBatch)', async ({
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
])('slow messages fill every slot, whatever the batch ($maxBatch)', async (options) => {
  await publish(client, 300);
  const pulls = await countPulls(client);
  const { handle, open } = gate();
  const worker = startWorker(client, { ...options, handle });
  await until(() => worker.slots.free() === 0);
  // No pull had to expire for it: none was repeated.
  expect(worker.seen.length).toBe(100);
  expect(pulls.reduce((sum, { batch }) => sum + batch, 0)).toBe(100);
  open();
  await until(() => settled(client));
});

test('slots that are freed beside a pull which is half used are asked for once it is used up', async () => {
  const [first, later] = [gate(), gate()];
  const pulls = await countPulls(client);
  const worker = startWorker(client, {
    slots: 10,
    handle: (message) => (message.sequence <= 4 ? first : later).handle(message),
  });
  await until(async () => (await openPulls()) === 1);
  await publish(client, 4);
  await until(() => worker.slots.free() === 6);
  first.open();
  // 10 are free now, and 6 are asked for.
  await until(() => worker.slots.free() === 10);
  await publish(client, 30);
  await until(() => worker.slots.free() === 0);
  // Where it had to expire first, all 10 would be asked for.
  await until(() => pulls.at(-1)!.batch === 4);
  later.open();
  await until(() => settled(client));
});

test('while nothing comes, one pull is open, for all slots, and what comes long after the first one is delivered', async () => {
  const pulls = await countPulls(client);
  const worker = startWorker(client, { slots: 20 });
  await until(() => pulls.length === 3);
  expect(pulls).toEqual([1, 2, 3].map(() => expect.objectContaining({ batch: 20 })));
  await until(async () => (await openPulls()) === 1);
  await publish(client, 1);
  await until(() => worker.seen.length === 1);
});

test('a trickle does not litter the server with pulls', async () => {
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

test('credits do not drift: after bursts of 20 000 messages, all slots are asked for again, and no more', async () => {
  const pulls = await countPulls(client);
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

test('two consumers of a group share the messages, and none comes twice', async () => {
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

test('an event loop that stands still past the end of its pulls neither strands a message nor takes too many', async () => {
  const { handle, open } = gate();
  const worker = startWorker(client, { slots: 10, handle });
  const publisher = connect(server.port, '127.0.0.1');
  onTestFinished(() => void publisher.destroy());
  await once(publisher, 'data');
  await until(async () => (await openPulls()) === 1);
  // Written at once, not by the event loop: what it brings forth is on its way to us while we stand still, for longer
  // than a pull lasts.
  publisher.write(`CONNECT {"verbose":false}\r\n${'PUB webhooks.orders 2\r\n{}\r\n'.repeat(30)}`);
  const until5s = performance.now() + 5000;
  while (performance.now() < until5s);
  await until(() => worker.slots.free() === 0);
  expect(worker.mostHeld()).toBe(10);
  open();
  await until(async () => worker.seen.length === 30 && (await settled(client)));
  expect(worker.surplus()).toBe(0);
});

test('a stopped consumer has taken all that was on its way, and another one gets the rest at once', async () => {
  await publish(client, 2000);
  const worker = startWorker(client, { slots: 500 });
  await until(() => worker.seen.length > 0);
  await worker.consumer.stop();
  const { length } = worker.seen;
  await worker.slots.whenIdle(5000);
  expect(await worker.acks.flush(5000)).toBe(true);
  expect(worker.seen.length).toBe(length);
  const other = startWorker(client, { slots: 500 });
  // A stranded one would stay pending for the ack wait, a minute. What the server could not hand over any more is
  // pending too, until the other one takes it.
  await until(() => settled(client));
  expect(worker.seen.length + other.seen.length).toBe(2000);
  expect(new Set([...worker.sequences(), ...other.sequences()]).size).toBe(2000);
});

test('a stopped consumer pulls no more', async () => {
  const worker = startWorker(client, { slots: 5 });
  await until(async () => (await openPulls()) === 1);
  await worker.consumer.stop();
  const pulls = await countPulls(client);
  await publish(client, 3);
  worker.consumer.onSlotFreed();
  await until(async () => (await openPulls()) === 0);
  expect(worker.seen.length).toBe(0);
  expect(pulls.length).toBe(0);
});

test('a durable that is gone is said, asked for slowly, and found again when it is made again', async () => {
  const ours = await connectTo(server.url);
  const worker = startWorker(ours, { slots: 10 });
  await until(async () => (await openPulls()) === 1);
  expect(worker.consumer.problem()).toBe(null);
  await client.manager.consumers.delete('WEBHOOKS', 'webhook-workers');
  await until(() => worker.consumer.problem()?.includes('503'));
  const goneAt = performance.now();
  const { outMsgs } = ours.connection.stats();
  await until(() => ours.connection.stats().outMsgs >= outMsgs + 4);
  // Each wait is twice the one before, from 100 ms on.
  expect(performance.now() - goneAt).toBeGreaterThan(1000);
  await makeDurable(client);
  await publish(client, 20);
  await until(() => worker.seen.length === 20);
  await until(() => worker.consumer.problem() === null);
});

test('messages flow again after nats-server was killed and started again', async () => {
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

test('pulls that nobody answers are said', async () => {
  const config = `authorization { users: [
    { user: all, password: x }
    { user: mute, password: x, permissions: { publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] } } }
  ] }`;
  const own = await startTestNats({ config });
  await makeGroup(await connectTo(own.url, { user: 'all', pass: 'x' }));
  const worker = startWorker(await connectTo(own.url, { user: 'mute', pass: 'x' }), { slots: 10 });
  await until(() => worker.consumer.problem() === 'pull requests are not answered');
});

test('a server that stops says so, and the pull is made again when it is back', async () => {
  const own = await startTestNats();
  const ours = await connectTo(own.url);
  await makeGroup(ours);
  const worker = startWorker(ours, { slots: 10 });
  await own.restart();
  await until(() => ours.isConnected());
  await publish(ours, 5);
  await until(() => worker.seen.length === 5);
});

test('a durable that limits its pulls is asked for no more, and no longer', async () => {
  await client.manager.consumers.delete(STREAM, DURABLE);
  await makeDurable(client, { max_batch: 3, max_expires: nanos(500) });
  await publish(client, 200);
  const worker = startWorker(client, { slots: 50, limits: { batch: 3, expiresMs: 500 } });
  await until(() => settled(client));
  expect(worker.sequences().size).toBe(200);
});

test('after a pull was turned away, nothing is pulled before the durable is known', async () => {
  let asked = 0;
  let answer = false;
  const isKnown = async () => {
    asked++;
    return answer;
  };
  const pulls = await countPulls(client);
  const worker = startWorker(client, { slots: 10, isKnown });
  await until(() => pulls.length > 0);
  const { config } = await groupState(client);
  await client.manager.consumers.delete(STREAM, DURABLE);
  await client.manager.consumers.add(STREAM, config);
  await publish(client, 5);
  const before = pulls.length;
  await until(() => asked >= 2);
  expect(pulls.length).toBe(before);
  expect(worker.seen.length).toBe(0);
  answer = true;
  await until(() => settled(client));
  expect(worker.seen.length).toBe(5);
});
