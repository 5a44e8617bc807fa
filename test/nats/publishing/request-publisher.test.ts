import { DiscardPolicy, RetentionPolicy } from 'nats';
import { expect, onTestFinished, test } from 'vitest';
import {
  type PublishOutcome,
  RequestPublisher,
  type RequestPublisherOptions,
} from '../../../src/nats/publishing/request-publisher.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { connectTo, startByHand } from '../servers.ts';

const OPTIONS = { confirmWithinMs: 2000, maxInFlight: 1000, maxInFlightBytes: 1_000_000 };
const body = Buffer.from('{"n":1}');

async function scene(options: Partial<RequestPublisherOptions> = {}, config = '') {
  const nats = await startTestNats({ config });
  const client = await connectTo(nats.url);
  const publisher = new RequestPublisher(client, { ...OPTIONS, ...options });
  onTestFinished(() => publisher.stop());
  const publish = (id: string, data: Uint8Array = body, subject = 'webhooks.a') =>
    publisher.publish(subject, data, { 'Nats-Msg-Id': id });
  return { nats, client, publisher, publish };
}

async function withStream(
  { client }: Pick<Awaited<ReturnType<typeof scene>>, 'client'>,
  more: Partial<Parameters<typeof client.manager.streams.add>[0]> = {},
) {
  await client.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    ...more,
  });
}

const whyOf = (outcome: PublishOutcome) => (outcome.kind === 'notStored' ? outcome.why : outcome.kind);
const freeze = ({ pid }: TestNats) => {
  process.kill(pid, 'SIGSTOP');
};

/** A server that was killed meanwhile has another process. */
const thaw = ({ pid }: TestNats) => process.kill(pid, 'SIGCONT');

test('a message is stored once under its id, also if it comes again', async () => {
  const the = await scene();
  await withStream(the);
  expect(await the.publish('a')).toEqual({
    kind: 'stored',
    stream: 'WEBHOOKS',
    sequence: 1,
    duplicate: false,
  });
  expect(await the.publish('a')).toEqual({
    kind: 'stored',
    stream: 'WEBHOOKS',
    sequence: 1,
    duplicate: true,
  });
});

test('without a stream, nothing is stored, and the publisher says so at once', async () => {
  const { publish } = await scene();
  expect(await publish('a')).toMatchObject({ kind: 'notStored', why: 'noStream' });
});

test('a full stream refuses, and takes messages again when there is room', async () => {
  const the = await scene();
  await withStream(the, { max_msgs: 1 });
  expect([whyOf(await the.publish('a')), whyOf(await the.publish('b'))]).toEqual(['stored', 'streamFull']);
  await the.client.manager.streams.purge('WEBHOOKS');
  expect(whyOf(await the.publish('b'))).toBe('stored');
});

test('a message larger than the server or the stream takes is not stored', async () => {
  const the = await scene({}, 'max_payload: 2000');
  await withStream(the, { max_msg_size: 1000 });
  expect(whyOf(await the.publish('a', Buffer.alloc(1500)))).toBe('tooLarge');
  expect(whyOf(await the.publish('b', Buffer.alloc(2500)))).toBe('tooLarge');
  expect(whyOf(await the.publish('c'))).toBe('stored');
});

test.each([
  ['webhooks.a b', {}],
  ['webhooks.', {}],
  ['webhooks.a', { 'X-Type': 'a\r\nNats-Rollup: all' }],
  ['webhooks.a', { 'a b': '1' }],
])('%s with the headers %j is not valid, and nothing is sent', async (subject, headers) => {
  const the = await scene();
  await withStream(the);
  expect(whyOf(await the.publisher.publish(subject, body, headers as Record<string, string>))).toBe(
    'invalid',
  );
  expect((await the.client.manager.streams.info('WEBHOOKS')).state.messages).toBe(0);
});

test('a user without the right to publish gets the reason', async () => {
  const server = await startByHand(
    'jetstream: {}, authorization: { users: [ { user: a, password: b, permissions: { publish: { deny: ["webhooks.>"] } } } ] }',
  );
  const client = await connectTo(server.url, { user: 'a', pass: 'b' });
  const publisher = new RequestPublisher(client, OPTIONS);
  onTestFinished(() => publisher.stop());
  const outcome = await publisher.publish('webhooks.a', body, { 'Nats-Msg-Id': 'a' });
  expect(outcome).toMatchObject({
    kind: 'notStored',
    why: 'denied',
    detail: expect.stringContaining('publish to "webhooks.a"'),
  });
});

test('while NATS is away, messages are refused at once, and stored when it is back', async () => {
  const the = await scene({ confirmWithinMs: 60_000 });
  await withStream(the);
  await the.nats.stop();
  await until(() => !the.client.isConnected());
  expect([whyOf(await the.publish('a')), the.publisher.problem]).toEqual(['away', 'not connected']);
  await the.nats.restart();
  await until(() => the.client.isConnected());
  expect(whyOf(await the.publish('a'))).toBe('stored');
  expect(the.publisher.problem).toBeNull();
});

test('a message whose confirmation does not come may be stored; the next ones are refused at once, until one is confirmed', async () => {
  const the = await scene({ confirmWithinMs: 300 });
  await withStream(the);
  freeze(the.nats);
  expect(whyOf(await the.publish('a'))).toBe('unconfirmed');
  expect(the.publisher.problem).toBe('no confirmation in time');
  const [probe, refused] = [the.publish('b'), the.publish('c')];
  expect(await refused).toMatchObject({ kind: 'notStored', why: 'away' });
  expect(whyOf(await probe)).toBe('unconfirmed');
  thaw(the.nats);
  await until(async () => whyOf(await the.publish('d')) === 'stored');
  expect(the.publisher.problem).toBeNull();
  expect(await the.publish('a')).toMatchObject({ kind: 'stored', duplicate: true });
});

test('a message in flight when the connection breaks is confirmed after the reconnect, under the same id', async () => {
  const the = await scene({ confirmWithinMs: 30_000 });
  await withStream(the);
  freeze(the.nats);
  const inFlight = the.publish('a');
  await the.nats.kill();
  await the.nats.restart();
  expect(await inFlight).toMatchObject({ kind: 'stored' });
  expect((await the.client.manager.streams.info('WEBHOOKS')).state.messages).toBe(1);
});

test('a refusal after a try that had no answer does not say that nothing is stored', async () => {
  const the = await scene({ confirmWithinMs: 30_000 });
  await withStream(the);
  freeze(the.nats);
  const inFlight = the.publish('a');
  await the.nats.kill();
  // Another server, without the stream, on the same port.
  const other = await startTestNats({ port: the.nats.port });
  expect(await inFlight).toMatchObject({ kind: 'unconfirmed' });
  await other.stop();
});

test('no more messages and no more bytes are in flight than allowed', async () => {
  const the = await scene({ maxInFlight: 2, maxInFlightBytes: 20, confirmWithinMs: 30_000 });
  await withStream(the);
  freeze(the.nats);
  const first = the.publish('a', Buffer.alloc(15));
  expect(whyOf(await the.publish('b', Buffer.alloc(6)))).toBe('busy');
  const second = the.publish('c', Buffer.alloc(5));
  expect(whyOf(await the.publish('d', Buffer.alloc(0)))).toBe('busy');
  thaw(the.nats);
  expect([whyOf(await first), whyOf(await second), the.publisher.inFlight]).toEqual(['stored', 'stored', 0]);
  expect(whyOf(await the.publish('d'))).toBe('stored');
});

test('an answer of another program to the subject is no confirmation', async () => {
  const the = await scene();
  the.client.connection.subscribe('webhooks.a', { callback: (_, message) => message.respond('thanks') });
  expect(whyOf(await the.publish('a'))).toBe('unconfirmed');
});
