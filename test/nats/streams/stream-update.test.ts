import { nanos } from 'nats';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureStream } from '../../../src/nats/streams/stream.ts';
import { defaultWebhookStream, type StreamWanted } from '../../../src/nats/streams/stream-config.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
});

const row = (more: Partial<StreamWanted> = {}): StreamWanted => ({
  ...defaultWebhookStream('WEBHOOKS', ['webhooks.*']),
  change: 'always',
  ...more,
});
const live = async () => (await client.manager.streams.info('WEBHOOKS')).config;
const createdByAnotherProgram = () =>
  client.manager.streams.add({ name: 'WEBHOOKS', subjects: ['webhooks.*'], max_msgs: 77 });

test('changed limits of the row are applied to the live stream, and a notice says so', async () => {
  await ensureStream(client, row());
  const { notices } = await ensureStream(
    client,
    row({
      maxMessages: 1000,
      maxBytes: 1_000_000,
      maxAgeSeconds: 3600,
      duplicateWindowSeconds: 60,
      subjects: ['webhooks.*', 'events.>'],
    }),
  );
  expect(await live()).toMatchObject({
    max_msgs: 1000,
    max_bytes: 1_000_000,
    max_age: nanos(3_600_000),
    duplicate_window: nanos(60_000),
    subjects: ['webhooks.*', 'events.>'],
  });
  expect(notices).toEqual([{ changes: expect.stringContaining('max_msgs -1 -> 1000'), refused: null }]);
});

test('nothing is changed if the stream is as the row says', async () => {
  await ensureStream(client, row());
  expect((await ensureStream(client, row())).notices).toEqual([]);
});

test('a value that cannot be changed is reported with the cure, and the stream stays as it is', async () => {
  await ensureStream(client, row());
  const { notices, warnings } = await ensureStream(client, row({ replicas: 3, storage: 'memory' }));
  expect(notices).toEqual([
    {
      changes: 'replicas 1 -> 3',
      refused: {
        error: '3 replicas need a cluster, and this nats-server is not in a cluster',
        hint: 'Change the row of rule_nats_streams.',
      },
    },
  ]);
  expect(warnings.join()).toContain('has storage file, not memory as wanted');
  expect(await live()).toMatchObject({ num_replicas: 1, storage: 'file' });
});

test('a row that was never changed does not change the stream of another program', async () => {
  await createdByAnotherProgram();
  expect((await ensureStream(client, row({ change: 'following' }))).notices).toEqual([]);
  expect(await live()).toMatchObject({ max_msgs: 77 });
});

test('a stream that followed its row also follows it back to the defaults', async () => {
  await createdByAnotherProgram();
  await ensureStream(client, row({ maxMessages: 1000 }));
  await ensureStream(client, row({ change: 'following' }));
  expect(await live()).toMatchObject({ max_msgs: -1 });
});

test('nothing is changed without a row, for example while PostgreSQL is away', async () => {
  await ensureStream(client, row({ maxMessages: 1000 }));
  await ensureStream(client, defaultWebhookStream('WEBHOOKS', ['webhooks.*']));
  expect(await live()).toMatchObject({ max_msgs: 1000 });
});

test('the messages of the stream survive a lower limit', async () => {
  await ensureStream(client, row());
  const js = client.connection.jetstream();
  for (let i = 0; i < 5; i++) await js.publish('webhooks.a', `${i}`);
  await ensureStream(client, row({ maxMessages: 2 }));
  expect((await client.manager.streams.info('WEBHOOKS')).state.messages).toBe(5);
  await expect(js.publish('webhooks.a', 'refused')).rejects.toMatchObject({ api_error: { err_code: 10077 } });
});
