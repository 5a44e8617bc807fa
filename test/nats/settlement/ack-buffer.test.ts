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

const word = (text: string) => Buffer.from(text);

/** What the server heard on `words.*`, in order. */
async function listen(): Promise<string[]> {
  const heard: string[] = [];
  const listener = await connectTo(server.url);
  listener.connection.subscribe('words.*', {
    callback: (_error, message) => void heard.push(message.string()),
  });
  await listener.connection.flush();
  return heard;
}

test('words reach the server soon, without being asked to, in the order in which they were said', async () => {
  const heard = await listen();
  const acks = createAckBuffer(client);
  for (let n = 0; n < 1000; n++) acks.send(`words.${n % 3}`, word(String(n)));
  await until(() => heard.length === 1000);
  expect(heard).toEqual(Array.from({ length: 1000 }, (_, n) => String(n)));
});

test('words that are said while others wait for their confirmation follow them', async () => {
  const heard = await listen();
  const acks = createAckBuffer(client);
  for (let n = 0; n < 50; n++) {
    acks.send('words.x', word(String(n)));
    if (n % 10 === 0) await until(() => heard.length > n / 2);
  }
  await until(() => heard.length === 50);
  expect(heard).toEqual(Array.from({ length: 50 }, (_, n) => String(n)));
});

test('drain resolves once the server has confirmed all that was said', async () => {
  const heard = await listen();
  const acks = createAckBuffer(client);
  for (let n = 0; n < 100; n++) acks.send('words.x', word(String(n)));
  expect(await acks.flush(10_000)).toBe(true);
  await until(() => heard.length === 100);
});

test('drain with nothing said resolves at once', async () => {
  expect(await createAckBuffer(client).flush(0)).toBe(true);
});

test('drain gives up after its time where NATS is away', async () => {
  const acks = createAckBuffer(client);
  await server.kill();
  await until(() => !client.isConnected());
  acks.send('words.x', word('1'));
  expect(await acks.flush(50)).toBe(false);
});

test('what is said while NATS is away is said when it is back, in order', async () => {
  const acks = createAckBuffer(client);
  await server.kill();
  await until(() => !client.isConnected());
  for (let n = 0; n < 20; n++) acks.send('words.x', word(String(n)));
  await server.restart();
  const heard = await listen();
  // Whether we or the listener came first: all is confirmed in the end.
  expect(await acks.flush(20_000)).toBe(true);
  expect(heard).toEqual([...heard].sort((a, b) => Number(a) - Number(b)));
});

/** Stops the server's process as it is, so that what is written to it stays without an answer. */
function freeze() {
  process.kill(server.pid, 'SIGSTOP');
}

test('what a broken link left unconfirmed is said again, but not what could do harm by now', async () => {
  const acks = createAckBuffer(client);
  freeze();
  acks.send('words.x', word('ack'));
  acks.send('words.x', word('nak at once'), 0);
  acks.send('words.x', word('nak in an hour'), 3_600_000);
  // Written, and lost with the server.
  const { outMsgs } = client.connection.stats();
  await until(() => client.connection.stats().outMsgs >= outMsgs + 3);
  const said: string[] = [];
  const publishing = client.connection.publish.bind(client.connection);
  client.connection.publish = (subject, payload, options) => {
    if (subject === 'words.x') said.push(Buffer.from(payload as Uint8Array).toString());
    publishing(subject, payload, options);
  };
  await server.kill();
  await server.restart();
  expect(await acks.flush(20_000)).toBe(true);
  expect(said).toEqual(['ack', 'nak in an hour']);
});

test('no message comes again whose ack was lost with its link', async () => {
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
  // One whose ack was never heard would have been handed out a second time before all is settled.
  expect((await groupState(client)).delivered.consumer_seq).toBe(200);
  expect(worker.seen.length).toBe(200);
});

test('a word that is said when the connection is closed for good is dropped without a sound', async () => {
  const acks = createAckBuffer(client);
  acks.send('words.x', word('1'));
  await client.close();
  acks.send('words.x', word('2'));
  expect(await acks.flush(1000)).toBe(false);
});

test('words that the server turns down are told, and said again until it takes them', async () => {
  const users = (denied: string) =>
    `authorization { users: [{ user: all, password: x }, { user: ann, password: x, permissions: { publish: { deny: "${denied}" } } }] }`;
  const guarded = await startByHand(`jetstream {}, ${users('words.>')}`);
  const heard: string[] = [];
  const listener = await connectTo(guarded.url, { user: 'all', pass: 'x' });
  listener.connection.subscribe('words.*', {
    callback: (_error, message) => void heard.push(message.string()),
  });
  const speaker = await connectTo(guarded.url, { user: 'ann', pass: 'x' });
  let taken = 0;
  const acks = createAckBuffer(speaker);
  acks.onAccepted(() => taken++);
  acks.send('words.x', word('ack'));
  acks.send('words.x', word('a nak that harms by then'), 0);
  await until(() => acks.problem()?.includes('$JS.ACK.>'));
  await guarded.reload(`jetstream {}, ${users('nothing')}`);
  await until(() => acks.problem() === null);
  await until(() => heard.length > 0);
  expect(heard).toEqual(['ack']);
  expect(taken).toBe(1);
});
