import { AckPolicy, DiscardPolicy, nanos, RetentionPolicy, StorageType } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureStream } from '../../../src/nats/streams/stream.ts';
import { defaultWebhookStream, type StreamWanted } from '../../../src/nats/streams/stream-config.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount, refusal } from '../servers.ts';

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

const wanted = (more: Partial<StreamWanted> = {}): StreamWanted => ({
  ...defaultWebhookStream('WEBHOOKS', ['webhooks.*']),
  ...more,
});

test('a missing stream is created as a work queue in files that refuses new messages when it is full', async () => {
  const found = await ensureStream(client, wanted());
  const { config } = await client.manager.streams.info('WEBHOOKS');
  expect(found).toMatchObject({
    isNew: true,
    warnings: [],
    retention: 'workqueue',
    subjects: ['webhooks.*'],
  });
  expect(config).toMatchObject({
    retention: 'workqueue',
    storage: 'file',
    discard: 'new',
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    duplicate_window: nanos(120_000),
  });
});

test('the creation time of the stream is returned in milliseconds', async () => {
  const { createdAt } = await ensureStream(client, wanted());
  const info = await client.manager.streams.info('WEBHOOKS');
  expect(new Date(createdAt).toISOString().slice(0, 23)).toBe(info.created.slice(0, 23));
});

test('a new stream has the limits of the row', async () => {
  await ensureStream(
    client,
    wanted({ maxMessages: 10, maxBytes: 1_000_000, maxAgeSeconds: 3600, description: 'x' }),
  );
  const { config } = await client.manager.streams.info('WEBHOOKS');
  expect(config).toMatchObject({
    max_msgs: 10,
    max_bytes: 1_000_000,
    max_age: nanos(3_600_000),
    description: 'x',
  });
});

test('workers that create the stream at the same time all find one stream', async () => {
  const found = await Promise.all(Array.from({ length: 8 }, () => ensureStream(client, wanted())));
  expect(new Set(found.map(({ createdAt }) => createdAt)).size).toBe(1);
});

test('workers with different limits find the stream that was created first', async () => {
  const found = await Promise.all(
    [1, 2, 3, 4].map((n) => ensureStream(client, wanted({ maxMessages: n * 1000 }))),
  );
  expect(new Set(found.map(({ createdAt }) => createdAt)).size).toBe(1);
  expect(found.filter(({ isNew }) => isNew)).toHaveLength(1);
});

test('an existing stream is not changed', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'], max_msgs: 5 });
  const before = (await client.manager.streams.info('WEBHOOKS')).config;
  await ensureStream(client, wanted());
  expect((await client.manager.streams.info('WEBHOOKS')).config).toEqual(before);
});

test('the warnings about an existing stream name each difference, its consequence and the cure', async () => {
  await client.manager.streams.add({
    name: 'WEBHOOKS',
    subjects: ['webhooks.>'],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.Memory,
    max_msgs: 1000,
    max_age: nanos(60_000),
    duplicate_window: nanos(30_000),
  });
  const { warnings, isNew, retention } = await ensureStream(client, wanted());
  expect({ isNew, retention }).toEqual({ isNew: false, retention: 'limits' });
  expect(warnings).toEqual([
    expect.stringContaining(
      'evicts its oldest messages when it is full, also undelivered ones: `nats stream edit WEBHOOKS --discard new`',
    ),
    expect.stringContaining('removes messages after 60 s, also undelivered ones'),
    expect.stringContaining('is stored in memory'),
    expect.stringContaining('has subjects webhooks.>, not webhooks.*'),
    expect.stringContaining('has retention limits, not workqueue'),
    expect.stringContaining('has discard policy old, not new'),
    expect.stringContaining('has max_msgs 1000, not -1'),
    expect.stringContaining('has duplicate window 30 s, not 120 s'),
  ]);
});

test('a stream without our subject is refused, with the subjects that it carries', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['orders.*', 'users.*'] });
  const message = await refusal(ensureStream(client, wanted()));
  expect(message).toMatch(/WEBHOOKS carries orders\.\*, users\.\*, but not all of webhooks\.\*/);
  expect(message).toContain('nats stream edit WEBHOOKS --subjects orders.*,users.*,webhooks.*');
});

test('a stream may carry more subjects than we deliver', async () => {
  await client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.>'] });
  await ensureStream(client, wanted({ subjects: ['webhooks.>'] }), ['webhooks.a', 'webhooks.b.*']);
});

test('a new stream must carry the subjects that we deliver', async () => {
  expect(await refusal(ensureStream(client, wanted(), ['orders.*']))).toMatch(/not all of orders\.\*/);
});

test('subjects that another stream carries are refused, with the name of that stream', async () => {
  await client.manager.streams.add({ name: 'OTHER', subjects: ['webhooks.>'] });
  const message = await refusal(ensureStream(client, wanted()));
  expect(message).toMatch(/WEBHOOKS cannot be made, because the stream OTHER carries webhooks\.\* already/);
  expect(message).toContain('STREAM_NAME=OTHER');
});

test('replicas on a single server are refused, with the cure', async () => {
  expect(await refusal(ensureStream(client, wanted({ replicas: 3 })))).toMatch(/ask for 1 replica/);
});

test('another refusal of the server is reported in the words of the server', async () => {
  const message = await refusal(ensureStream(client, wanted({ maxAgeSeconds: 1 })));
  expect(message).toMatch(/NATS refuses to make the stream WEBHOOKS: .*duplicates window/);
});

test('a missing permission is reported with its subject', async () => {
  const limited = await connectTo(server.url, account.limited);
  const message = await refusal(ensureStream(limited, wanted()));
  expect(message).toMatch(/right to publish to "\$JS\.API\.STREAM\.CREATE\.WEBHOOKS"/);
});

test('a stream with a consumer is found like any other', async () => {
  await ensureStream(client, wanted());
  await client.manager.consumers.add('WEBHOOKS', { durable_name: 'x', ack_policy: AckPolicy.Explicit });
  expect(await ensureStream(client, wanted())).toMatchObject({ isNew: false, warnings: [] });
});
