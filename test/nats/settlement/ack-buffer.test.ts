import { nanos } from 'nats';
import { beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { createAckBuffer } from '../../../src/nats/settlement/ack-buffer.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { startLink } from '../connection/link.ts';
import { groupState, makeGroup, publish, settled, startWorker } from '../group.ts';
import { connectTo, startByHand } from '../servers.ts';

let server: TestNats;
let client: NatsClient;
beforeEach(async () => {
  server = await startTestNats();
  client = await connectTo(server.url);
});

const ack = (text: string) => Buffer.from(text);

/** Records what the server receives on `acks.*`, in order. */
async function listen(): Promise<string[]> {
  const received: string[] = [];
  const listener = await connectTo(server.url);
  listener.connection.subscribe('acks.*', {
    callback: (_error, message) => void received.push(message.string()),
  });
  await listener.connection.flush();
  return received;
}

test('acks reach the server soon without a flush, in the order of the calls', async () => {
  const received = await listen();
  const acks = createAckBuffer(client);
  for (let n = 0; n < 1000; n++) acks.send(`acks.${n % 3}`, ack(String(n)));
  await until(() => received.length === 1000);
  expect(received).toEqual(Array.from({ length: 1000 }, (_, n) => String(n)));
});

test('acks that are sent while other acks wait for their confirmation follow those', async () => {
  const received = await listen();
  const acks = createAckBuffer(client);
  for (let n = 0; n < 50; n++) {
    acks.send('acks.x', ack(String(n)));
    if (n % 10 === 0) await until(() => received.length > n / 2);
  }
  await until(() => received.length === 50);
  expect(received).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
});

test('flush resolves when the server has confirmed every ack', async () => {
  const received = await listen();
  const acks = createAckBuffer(client);
  for (let n = 0; n < 100; n++) acks.send('acks.x', ack(String(n)));
  expect(await acks.flush(10_000)).toBe(true);
  await until(() => received.length === 100);
});

test('flush resolves at once if no ack was sent', async () => {
  expect(await createAckBuffer(client).flush(0)).toBe(true);
});

test('flush gives up after its time limit while NATS is away', async () => {
  const acks = createAckBuffer(client);
  await server.kill();
  await until(() => !client.isConnected());
  acks.send('acks.x', ack('1'));
  expect(await acks.flush(50)).toBe(false);
});

test('acks of the time while NATS is away are sent in order when NATS is back', async () => {
  const acks = createAckBuffer(client);
  await server.kill();
  await until(() => !client.isConnected());
  for (let n = 0; n < 20; n++) acks.send('acks.x', ack(String(n)));
  await server.restart();
  const received = await listen();
  // Acks that are sent before the listener has subscribed are confirmed too.
  expect(await acks.flush(20_000)).toBe(true);
  expect(received).toEqual([...received].sort((a, b) => Number(a) - Number(b)));
});

/** Suspends the process of the server, so that the server answers nothing. */
function freeze() {
  process.kill(server.pid, 'SIGSTOP');
}

test('acks that a broken link left unconfirmed are sent again, except a nak that could do harm by now', async () => {
  const acks = createAckBuffer(client);
  freeze();
  acks.send('acks.x', ack('ack'));
  acks.send('acks.x', ack('nak at once'), 0);
  acks.send('acks.x', ack('nak in an hour'), 3_600_000);
  // The acks are written to the connection, and lost with the server.
  const { outMsgs } = client.connection.stats();
  await until(() => client.connection.stats().outMsgs >= outMsgs + 3);
  const repeated: string[] = [];
  const publishing = client.connection.publish.bind(client.connection);
  client.connection.publish = (subject, payload, options) => {
    if (subject === 'acks.x') repeated.push(Buffer.from(payload as Uint8Array).toString());
    publishing(subject, payload, options);
  };
  await server.kill();
  await server.restart();
  expect(await acks.flush(20_000)).toBe(true);
  expect(repeated).toEqual(['ack', 'nak in an hour']);
});

test('a message whose ack was lost with its link is not delivered again', async () => {
  await makeGroup(client, { ack_wait: nanos(5000) });
  await publish(client, 200);
  const link = await startLink(server.port);
  let isCut = false;
  const worker = startWorker(await connectTo(link.url), {
    slots: 100,
    handle: () => {
      if (worker.seen.length >= 100 && !isCut) link.swallow();
    },
  });
  await until(() => worker.seen.length >= 100 && worker.slots.busy() === 0 && link.swallowed() > 0);
  isCut = true;
  link.cut();
  await until(() => settled(client));
  // A message whose ack was lost for good would be delivered a second time before all messages are settled.
  expect((await groupState(client)).delivered.consumer_seq).toBe(200);
  expect(worker.seen.length).toBe(200);
});

test('an ack after the connection is closed for good is dropped without an error', async () => {
  const acks = createAckBuffer(client);
  acks.send('acks.x', ack('1'));
  await client.close();
  acks.send('acks.x', ack('2'));
  expect(await acks.flush(1000)).toBe(false);
});

test('acks that the server denies are reported as a problem, and sent again until the server accepts them', async () => {
  const users = (denied: string) =>
    `authorization { users: [{ user: all, password: x }, { user: ann, password: x, permissions: { publish: { deny: "${denied}" } } }] }`;
  const guarded = await startByHand(`jetstream {}, ${users('acks.>')}`);
  const received: string[] = [];
  const listener = await connectTo(guarded.url, { user: 'all', pass: 'x' });
  listener.connection.subscribe('acks.*', {
    callback: (_error, message) => void received.push(message.string()),
  });
  const sender = await connectTo(guarded.url, { user: 'ann', pass: 'x' });
  let accepted = 0;
  const acks = createAckBuffer(sender);
  acks.onAccepted(() => accepted++);
  acks.send('acks.x', ack('ack'));
  acks.send('acks.x', ack('a nak that does harm by then'), 0);
  await until(() => acks.problem()?.includes('$JS.ACK.>'));
  await guarded.reload(`jetstream {}, ${users('nothing')}`);
  await until(() => acks.problem() === null);
  await until(() => received.length > 0);
  expect(received).toEqual(['ack']);
  expect(accepted).toBe(1);
});
