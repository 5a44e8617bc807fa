import { DiscardPolicy } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { createPublisher } from '../../../src/nats/publishing/publisher.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { ACCOUNT_PER_TEST, connectTo, failure, freshAccount } from '../servers.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let account: ReturnType<typeof freshAccount>;
let client: NatsClient;
beforeEach(async () => {
  account = freshAccount();
  client = await connectTo(server.url, account.all);
});

const bytes = (text: string) => new TextEncoder().encode(text);
const last = (subject: string) => client.manager.streams.getMessage('WEBHOOKS', { last_by_subj: subject });

test('a message is stored, and the result has its stream and sequence', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const result = await createPublisher(client).publish('webhooks.a', bytes('{"n":1}'));
  expect(result).toEqual({ stored: { stream: 'WEBHOOKS', sequence: 1, duplicate: false } });
  expect((await last('webhooks.a')).string()).toBe('{"n":1}');
});

test('headers are stored with the message', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  await createPublisher(client).publish('webhooks.a', bytes('1'), {
    'X-Event': 'ü',
    'Nats-Msg-Id': 'orders:1',
  });
  const { header } = await last('webhooks.a');
  expect([header.get('X-Event'), header.get('Nats-Msg-Id')]).toEqual(['ü', 'orders:1']);
});

test('a second message with the same Nats-Msg-Id is not stored', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const publisher = createPublisher(client);
  const once = () => publisher.publish('webhooks.a', bytes('1'), { 'Nats-Msg-Id': 'orders:1' });
  expect([await once(), await once()]).toEqual([
    { stored: { stream: 'WEBHOOKS', sequence: 1, duplicate: false } },
    { stored: { stream: 'WEBHOOKS', sequence: 1, duplicate: true } },
  ]);
});

test('equal messages without an id are all stored', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const publisher = createPublisher(client);
  await Promise.all(Array.from({ length: 20 }, () => publisher.publish('webhooks.a', bytes('1'))));
  expect((await client.manager.streams.info('WEBHOOKS')).state.messages).toBe(20);
});

test('no more messages are in flight at once than maxInFlight', async () => {
  const answers: (() => void)[] = [];
  client.connection.subscribe('slow', {
    callback: (_, message) => answers.push(() => message.respond(bytes('{"stream":"S","seq":1}'))),
  });
  const publisher = createPublisher(client, { maxInFlight: 2 });
  const all = Promise.all([1, 2, 3].map((n) => publisher.publish('slow', bytes(String(n)))));
  await until(() => answers.length === 2);
  await client.connection.flush();
  expect(answers).toHaveLength(2);
  for (let n = 0; n < 3; n++) {
    await until(() => answers.length > n);
    answers[n]?.();
  }
  await all;
});

test('the next message may be published as soon as one message is stored', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const publisher = createPublisher(client, { maxInFlight: 5 });
  for (let n = 0; n < 200; n++) {
    await publisher.whenFree();
    void publisher.publish('webhooks.a', bytes(String(n)));
  }
  await until(async () => (await client.manager.streams.info('WEBHOOKS')).state.messages === 200);
});

test('a publish to a subject that no stream carries fails at once', async () => {
  const result = await createPublisher(client, { retryForMs: 3_600_000 }).publish('nowhere.a', bytes('1'));
  expect(result).toMatchObject({ failed: 'noStream', detail: expect.stringContaining('nowhere.a') });
});

test('a publish to a full stream fails, with the cure', async () => {
  await client.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.*'],
    max_msgs: 1,
    discard: DiscardPolicy.New,
  });
  const publisher = createPublisher(client);
  await publisher.publish('webhooks.a', bytes('1'));
  const result = await publisher.publish('webhooks.a', bytes('2'));
  expect(result).toMatchObject({
    failed: 'streamFull',
    detail: expect.stringMatching(/maximum messages.*raise its limits/),
  });
});

test('a publish of a message that is too large for NATS fails, with the limit', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const result = await createPublisher(client).publish('webhooks.a', new Uint8Array(1_048_577));
  expect(result).toMatchObject({
    failed: 'tooLarge',
    detail: expect.stringMatching(/1048576.*raise max_payload/),
  });
});

test('a publish of a message that is too large for the stream fails, with the cure', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'], max_msg_size: 100 });
  const result = await createPublisher(client).publish('webhooks.a', new Uint8Array(200));
  expect(result).toMatchObject({
    failed: 'tooLarge',
    detail: expect.stringContaining('raise its max_msg_size'),
  });
});

test('a publish that NATS denies fails, with the subject', async () => {
  const limited = await connectTo(server.url, account.limited);
  const result = await createPublisher(limited).publish('denied.a', bytes('1'));
  expect(result).toMatchObject({ failed: 'denied', detail: expect.stringContaining('denied.a') });
});

test.each(['webhooks.*', 'a b', ''])('a publish to the invalid subject "%s" fails', async (subject) => {
  expect(await createPublisher(client).publish(subject, bytes('1'))).toMatchObject({ failed: 'invalid' });
});

test('a publish with a line break in a header fails', async () => {
  const result = await createPublisher(client).publish('webhooks.a', bytes('1'), { 'X-Event': 'a\r\nb: c' });
  expect(result).toMatchObject({ failed: 'invalid' });
});

test('a publish that the stream refuses for another reason fails, with the words of the server', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const result = await createPublisher(client).publish('webhooks.a', bytes('1'), {
    'Nats-Expected-Stream': 'OTHER',
  });
  expect(result).toMatchObject({
    failed: 'refused',
    detail: expect.stringContaining('expected stream does not match'),
  });
});

test('a publish without a confirmation in time fails, and the failure says that the message may be stored', async () => {
  client.connection.subscribe('silent', { callback: () => {} });
  const result = await createPublisher(client, { retryForMs: 100 }).publish('silent', bytes('1'));
  expect(result).toMatchObject({
    failed: 'timeout',
    detail: expect.stringContaining('may or may not be stored'),
  });
});

test('a restart of the server during publishes neither loses nor duplicates a message', async () => {
  const other = await startTestNats();
  const here = await connectTo(other.url);
  await here.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'] });
  const publisher = createPublisher(here);
  const results = Promise.all(
    Array.from({ length: 2000 }, (_, n) => publisher.publish('webhooks.a', bytes(String(n)))),
  );
  await until(async () => (await here.manager.streams.info('WEBHOOKS')).state.messages > 100);
  await other.kill();
  await other.restart();
  expect((await results).every((result) => 'stored' in result)).toBe(true);
  expect((await here.manager.streams.info('WEBHOOKS')).state.messages).toBe(2000);
});

test('each publish fails at once if the user may not subscribe to the confirmation', async () => {
  const deny = 'permissions: { subscribe: { deny: ["_INBOX.>"] } }';
  const other = await startTestNats({
    config: `accounts { A { jetstream: enabled, users: [ {user: limited, password: x, ${deny}} ] } }`,
  });
  const limited = await connectTo(other.url, { user: 'limited', pass: 'x' });
  const publisher = createPublisher(limited, { retryForMs: 3_600_000 });
  for (let n = 0; n < 2; n++)
    expect(await publisher.publish('webhooks.a', bytes('1'))).toMatchObject({
      failed: 'denied',
      detail: expect.stringContaining('subscribe to "_INBOX.'),
    });
});

test('a publish rejects if the client is closed before or meanwhile', async () => {
  client.connection.subscribe('silent', { callback: () => {} });
  const publisher = createPublisher(client, { retryForMs: 3_600_000 });
  const open = failure(publisher.publish('silent', bytes('1')));
  await client.close();
  expect(await open).toMatchObject({ code: 'CONNECTION_CLOSED' });
  expect(await failure(publisher.publish('silent', bytes('1')))).toMatchObject({ code: 'CONNECTION_CLOSED' });
});
