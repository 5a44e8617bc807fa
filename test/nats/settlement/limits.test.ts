import type { MsgHdrs } from 'nats';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { ensureOrderedConsumer } from '../../../src/nats/consumers/ordered-queues.ts';
import { createPullConsumer } from '../../../src/nats/consumers/pull-consumer.ts';
import { orderedMessage, type ReceivedMessage } from '../../../src/nats/messages/received-message.ts';
import { createMessageStore } from '../../../src/nats/publishing/store-message.ts';
import { createDeadLetterWriter } from '../../../src/nats/settlement/dead-letter-writer.ts';
import { ensureInternalStream } from '../../../src/nats/streams/internal-stream.ts';
import { cleanUpAfter } from '../../support/clean-up.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { until } from '../../support/wait.ts';
import { NO_LIMITS, STREAM } from '../group.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';
import { KEY, lastCopy, parking, publishRaw, startScene } from './parking-scene.ts';

/** The bytes that JetStream takes as the headers of a message. */
const MAX_HEADERS = 65_535;

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
let serverConnection: number | undefined;
/** True if the server never closed the connection of the worker. */
const isSameConnection = async () => {
  await client.connection.flush();
  return client.connection.info?.client_id === serverConnection;
};
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
  serverConnection = client.connection.info?.client_id;
});

/** Header lines that fill a block of about this size, each with a name of its own. */
const manyLines = (bytes: number, name = 'a') =>
  Array.from(
    { length: Math.floor(bytes / (name.length + 9)) },
    (_, n) => `${name}${String(n).padStart(5, '0')}:x`,
  );

async function writeDeadLetter(message: ReceivedMessage) {
  await ensureInternalStream(client, 'deadLetters', {
    name: 'WEBHOOKS_DLQ',
    sourceStream: STREAM,
    replicas: 1,
  });
  const writer = createDeadLetterWriter(client, {
    streamName: 'WEBHOOKS_DLQ',
    owner: { sourceStream: STREAM, group: 'webhook-workers' },
  });
  const facts = {
    deliveryId: 'd-1',
    endpointKey: KEY,
    webhookId: null,
    reason: 'exhausted',
    detail: 'HTTP 500',
    attempts: 1,
    at: 0,
  };
  return writer.write({
    ...facts,
    orderedStream: message.orderingKey === null ? null : message.position.stream,
    sourceStreamCreatedAt: message.streamCreatedAt,
    sequence: message.sequence,
    originalSubject: message.subject,
    messageHeaders: message.headers(),
    data: message.data,
  });
}

describe('a message whose headers nearly fill what JetStream takes', () => {
  it.each([
    ['one value', [`A: ${'x'.repeat(MAX_HEADERS - 100)}`]],
    ['thousands of names', manyLines(MAX_HEADERS - 100)],
    ['names that a copy escapes', manyLines(MAX_HEADERS - 100, 'Nats-')],
    ['a long Nats-Msg-Id', [`Nats-Msg-Id: ${'i'.repeat(MAX_HEADERS - 100)}`]],
    ['bytes that are not UTF-8', [`A: ${'\xff'.repeat(40_000)}`]],
  ])('is not parked, with the limit as the reason, and becomes a dead letter: %s', async (_what, lines) => {
    const { writer, main } = await startScene(client);
    await publishRaw(client, lines, Buffer.from('{}'));
    const message = await main.next();
    expect(writer.copyObstacle(message)).toMatch(
      /the headers of a copy have \d+ bytes; the limit of JetStream is 65535/,
    );
    expect(await writeDeadLetter(message)).toBe('stored');
    expect(await writeDeadLetter(message)).toBe('alreadyStored');
    expect(writer.problem()).toBeNull();
    expect(await isSameConnection()).toBe(true);
  });

  it('is parked if the headers of its copy are within the limit, and keeps them all beside its id', async () => {
    const { writer, main, openParked } = await startScene(client);
    const lines = manyLines(MAX_HEADERS - 12_000);
    await publishRaw(client, lines, Buffer.from('{}'));
    const message = await main.next();
    expect(writer.copyObstacle(message)).toBeNull();
    expect(await writer.park(message, parking())).toBe('parked');
    const copy = await (await openParked()).next();
    expect(copy.headers()).toHaveLength(lines.length + 1);
    expect(writer.copyObstacle(copy)).toBeNull();
    expect(await writer.park(copy, parking())).toBe('parked');
  });
});

describe('a message whose size nearly is max_payload', () => {
  it.each([0, 100, 300, 1000, 2048])('is parked only if its copy fits: %i bytes less', async (less) => {
    const { writer, main } = await startScene(client);
    const most = client.connection.info!.max_payload;
    await publishRaw(client, ['A: b'], Buffer.alloc(most - less - 30));
    const message = await main.next();
    const isParked = (await writer.park(message, parking({ deliveryId: 'x'.repeat(255) }))) === 'parked';
    // An id and a key of the longest kind leave no doubt at any later copy.
    if (writer.copyObstacle(message) === null) expect(isParked).toBe(true);
    expect(writer.copyObstacle(message) === null).toBe(less >= 1000);
    expect(await writeDeadLetter(message)).toBe('stored');
    expect(await isSameConnection()).toBe(true);
  });
});

describe('a subject of 4,000 bytes', () => {
  const LONG = `webhooks.ordered.${'k'.repeat(3980)}`;

  it('is delivered, and becomes a dead letter, but is not copied for several endpoints', async () => {
    const stream = 'WEBHOOKS_ORDERED';
    const wanted = {
      name: stream,
      subjects: ['webhooks.ordered.*'],
      sourceStream: STREAM,
      group: 'webhook-workers',
      replicas: 1,
      ackWaitMs: 60_000,
    };
    await ensureInternalStream(client, 'ordered', wanted);
    await client.connection.request(LONG, '{}', { timeout: 5000 });
    const durable = (await ensureOrderedConsumer(client, { stream, subject: LONG, ackWaitMs: 60_000 })) as {
      name: string;
    };
    const messages: ReceivedMessage[] = [];
    const consumer = createPullConsumer(client, {
      stream,
      durable: durable.name,
      streamCreatedAt: () => 1,
      maxBatch: 1,
      limits: () => NO_LIMITS,
      verify: () => Promise.resolve(true),
      toMessage: orderedMessage,
    });
    consumer.start({ capacity: () => 1, onMessage: (message) => void messages.push(message) });
    cleanUpAfter(() => consumer.stop());
    await until(() => messages.length === 1);
    const { writer } = await startScene(client);
    expect(writer.copyObstacle(messages[0]!)).toMatch(
      /the subject of a copy has \d+ bytes; the limit is 3900/,
    );
    expect(await writer.park(messages[0]!, parking())).toEqual({
      failed: expect.stringContaining('the limit is 3900'),
    });
    expect(await writeDeadLetter(messages[0]!)).toBe('stored');
    expect(await isSameConnection()).toBe(true);
  });

  it('is never published: nats-server would close the connection', async () => {
    const store = createMessageStore(client, { retryForMs: 5000 });
    const headers = { encode: () => Buffer.from('NATS/1.0\r\n\r\n') } as unknown as MsgHdrs;
    expect(
      await store({ subject: `webhooks.${'k'.repeat(5000)}`, data: new Uint8Array(), headers }),
    ).toMatchObject({
      failed: 'invalid',
      detail: expect.stringContaining('has 5009 bytes; the limit is 3900'),
    });
    expect(await isSameConnection()).toBe(true);
  });
});

it('A copy that another program published with a long key becomes a dead letter with a shorter key', async () => {
  const { writer, main, openParked } = await startScene(client);
  await publishRaw(client, [], Buffer.from('{}'));
  await writer.park(await main.next(), parking({ endpointKey: 'k'.repeat(3000) }));
  expect((await lastCopy(client)).subject.length).toBeGreaterThan(3000);
  const copy = await (await openParked(client, 1, 'k'.repeat(3000))).next();
  expect(copy.parkedEndpointKey).toMatch(/^k{50}-[0-9a-f]{16}$/);
});

it('Header lines that the client would not write are left out, and cannot add lines to a copy', async () => {
  const { writer, main, openParked } = await startScene(client);
  const lines = [
    'A: b\nWebhook-Attempts: 9',
    'Webhook-Delivery-Id: a\rb',
    'X Y: z',
    ': none',
    'B: c',
    'noColon',
  ];
  await publishRaw(client, lines, Buffer.from('{}'));
  const message = await main.next();
  expect(await writer.park(message, parking())).toBe('parked');
  const copy = await (await openParked()).next();
  expect(copy.attemptNumber).toBe(1);
  expect(copy.header('B')).toBe('c');
  expect(copy.header('A')).toBeUndefined();
});
