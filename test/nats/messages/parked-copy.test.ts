import { beforeAll, beforeEach, expect, test } from 'vitest';
import type { NatsClient } from '../../../src/nats/connection/client.ts';
import { startTestNats, type TestNats } from '../../support/servers.ts';
import { publish, STREAM } from '../group.ts';
import { ACCOUNT_PER_TEST, connectTo, freshAccount } from '../servers.ts';
import {
  CREATED,
  KEY,
  lastCopy,
  PARKED,
  parking,
  publishRaw,
  SUBJECT,
  startScene,
  stored,
} from '../settlement/parking-scene.ts';

let server: TestNats;
beforeAll(async () => {
  server = await startTestNats({ config: ACCOUNT_PER_TEST });
});

let client: NatsClient;
beforeEach(async () => {
  client = await connectTo(server.url, freshAccount().all);
});

const LATER = Date.parse('2027-01-02T03:04:05.678Z');
const NAK = '-NAK';

const workerHeaders = (id: string, publishedAt: number, attempts = 0) => [
  ['Nats-Msg-Id', [id]],
  ['Webhook-Attempts', [String(attempts)]],
  ['Webhook-Delivery-Id', ['order-1']],
  ['Webhook-First-Seen', [new Date(publishedAt).toISOString()]],
  ['Webhook-Original-Sequence', ['1']],
  ['Webhook-Original-Stream', [STREAM]],
  ['Webhook-Original-Stream-Created', [String(CREATED)]],
  ['Webhook-Original-Subject', ['webhooks.orders']],
];

const byName = (entries: readonly unknown[][]) => [...entries].sort(([a], [b]) => (a! < b! ? -1 : 1));

test('a copy has the data, the headers and the origin of its message, and headers that control the server have another name', async () => {
  const { writer, main } = await startScene(client);
  const data = Buffer.from([0, 255, 13, 10, 13, 10, 0x7b]);
  await publishRaw(client, ['Nats-Msg-Id: theirs', 'traceparent: 00-a', 'X-Twice: a', 'X-Twice: b'], data);
  const message = await main.next();
  await writer.park(message, parking());
  const copy = await lastCopy(client);
  expect(copy.data).toEqual(data);
  expect(copy.headers).toEqual(
    byName([
      ...workerHeaders(`${STREAM}:${CREATED}:1:${KEY}`, message.publishedAt),
      ['Webhook-Original-Nats-Msg-Id', ['theirs']],
      ['X-Twice', ['a', 'b']],
      ['traceparent', ['00-a']],
    ]),
  );
});

test('our headers in a published message are ignored, and an invalid header line does no harm', async () => {
  const { writer, main } = await startScene(client);
  const lines = [
    'Webhook-Attempts: 99',
    'webhook-not-before: 2099-01-01T00:00:00Z',
    'Webhook-Not-Before: 2099-01-01T00:00:00Z',
    'Webhook-Original-Stream: OTHER',
    'Webhook-Original-Sequence: 5',
    'Webhook-Original-Stream-Created: 6',
    'Webhook-Original-Subject: other.subject',
    'Webhook-First-Seen: 1999-01-01T00:00:00Z',
    'bad name: x',
    'no colon',
    'X-Good: y',
  ];
  await publishRaw(client, lines, Buffer.from('{}'));
  const message = await main.next();
  expect(message).toMatchObject({
    attemptNumber: 1,
    notBefore: null,
    isFirstDeliveryOfDelayed: false,
    stream: STREAM,
    sequence: 1,
  });
  await writer.park(message, parking());
  expect((await lastCopy(client)).headers).toEqual(
    byName([...workerHeaders(`${STREAM}:${CREATED}:1:${KEY}`, message.publishedAt), ['X-Good', ['y']]]),
  );
});

test('a parked copy is received as the message that was published', async () => {
  const { writer, main, openParked, parkedCreated } = await startScene(client);
  await publishRaw(client, ['Nats-Msg-Id: theirs', 'X-Mine: a', 'X-Mine: b'], Buffer.from('{"a":1}'));
  const source = await main.next();
  await writer.park(source, parking({ attempts: 2 }));
  const copy = await (await openParked()).next();
  expect(copy).toMatchObject({
    subject: 'webhooks.orders',
    stream: STREAM,
    streamCreatedAt: CREATED,
    sequence: 1,
    publishedAt: source.publishedAt,
    isParkedCopy: true,
    attemptNumber: 3,
    isRedelivery: true,
    notBefore: null,
    isFirstDeliveryOfDelayed: false,
    deliveryCount: 1,
    pending: 0,
    position: { stream: PARKED, streamCreatedAt: parkedCreated, sequence: 1 },
  });
  expect(Buffer.from(copy.data).toString()).toBe('{"a":1}');
  expect(copy.headers()).toEqual([
    ['Webhook-Delivery-Id', ['order-1']],
    ['Nats-Msg-Id', ['theirs']],
    ['X-Mine', ['a', 'b']],
  ]);
  expect(copy.header('Webhook-Attempts')).toBe(undefined);
  expect([copy.header('Webhook-Delivery-Id'), copy.header('Nats-Msg-Id')]).toEqual(['order-1', 'theirs']);
});

test('a copy names the row that it is for, and keeps the row that the publisher chose', async () => {
  const { writer, main, openParked } = await startScene(client);
  await publishRaw(client, ['webhook-endpoint-id: 4', 'Webhook-Payload: bare'], Buffer.from('{}'));
  const message = await main.next();
  expect([message.webhookId, message.header('Webhook-Endpoint-Id')]).toEqual([null, '4']);
  await writer.park(message, parking({ webhookId: 4978 }));
  const queue = await openParked();
  const copy = await queue.next();
  expect(copy.webhookId).toBe(4978);
  expect(copy.headers()).toEqual(
    expect.arrayContaining([
      ['webhook-endpoint-id', ['4']],
      ['Webhook-Payload', ['bare']],
    ]),
  );
  await writer.park(copy, parking({ webhookId: null, attempts: 1 }));
  const again = await queue.next(1);
  expect([again.webhookId, again.header('Webhook-Endpoint-Id')]).toEqual([null, '4']);
});

test('a message that is parked repeatedly keeps its headers and its size, and has one copy', async () => {
  const { writer, main, openParked, parkedCreated } = await startScene(client);
  await publishRaw(client, ['Nats-Msg-Id: theirs', 'X-Mine: a'], Buffer.from('{}'));
  const source = await main.next();
  await writer.park(source, parking());
  const queue = await openParked();
  const sizes: number[] = [];
  for (let time = 0; time < 4; time++) {
    const copy = await queue.next(time);
    sizes.push(copy.size);
    expect(copy).toMatchObject({ stream: STREAM, sequence: 1, position: { sequence: time + 1 } });
    expect(await writer.park(copy, parking({ attempts: time + 1 }))).toBe('parked');
  }
  expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(10);
  await writer.flush(5000);
  expect(await stored(client, PARKED)).toBe(1);
  expect((await lastCopy(client)).headers).toEqual(
    byName([
      ...workerHeaders(`${PARKED}:${parkedCreated}:4:${KEY}`, source.publishedAt, 4),
      ['Webhook-Original-Nats-Msg-Id', ['theirs']],
      ['X-Mine', ['a']],
    ]),
  );
});

test('the first delivery of a delayed copy is not an attempt, and each later delivery is one', async () => {
  const { writer, main, openParked } = await startScene(client);
  await publish(client, 1);
  await writer.park(await main.next(), parking({ attempts: 3, notBefore: LATER }));
  const queue = await openParked();
  for (const expected of [
    { deliveryCount: 1, isFirstDeliveryOfDelayed: true, isRedeliveredCopy: false },
    {
      deliveryCount: 2,
      isFirstDeliveryOfDelayed: false,
      attemptNumber: 4,
      isRedelivery: true,
      isRedeliveredCopy: false,
    },
    { deliveryCount: 3, isFirstDeliveryOfDelayed: false, attemptNumber: 5, isRedeliveredCopy: true },
  ]) {
    const message = await queue.next(expected.deliveryCount - 1);
    expect(message).toMatchObject({ notBefore: LATER, ...expected });
    client.connection.publish(message.reply, NAK);
  }
});

test('a copy names the endpoint of its parked queue, unless it comes from a scheduled queue', async () => {
  const { writer, main, openParked } = await startScene(client);
  await publish(client, 2);
  await writer.park(await main.next(), parking());
  expect((await (await openParked()).next()).parkedEndpointKey).toBe(KEY);
  const endpointKey = 'at.2027-01-31T12:00';
  await writer.park(await main.next(1), parking({ endpointKey, notBefore: LATER }));
  const due = await (await openParked(client, 1000, endpointKey)).next();
  expect(due).toMatchObject({
    parkedEndpointKey: null,
    notBefore: LATER,
    isFirstDeliveryOfDelayed: true,
    isParkedCopy: true,
  });
});

test('a copy in the queue of a day has its due time for older workers, and may be moved at once by this worker', async () => {
  const { writer, main, openParked } = await startScene(client);
  await publish(client, 1);
  const endpointKey = 'at.2027-01-31';
  await writer.park(await main.next(), parking({ endpointKey, notBefore: LATER }));
  const copy = await (await openParked(client, 1000, endpointKey)).next();
  expect(copy).toMatchObject({
    parkedEndpointKey: null,
    notBefore: null,
    isFirstDeliveryOfDelayed: false,
    attemptNumber: 1,
  });
});

test('each delivery of a message by NATS is an attempt, also in the main stream', async () => {
  const { main } = await startScene(client);
  await publish(client, 1);
  const first = await main.next();
  expect(first).toMatchObject({
    attemptNumber: 1,
    isRedelivery: false,
    isParkedCopy: false,
    isFirstDeliveryOfDelayed: false,
  });
  expect(Math.abs(first.publishedAt - Date.now())).toBeLessThan(60_000);
  client.connection.publish(first.reply, NAK);
  expect(await main.next(1)).toMatchObject({
    attemptNumber: 2,
    isRedelivery: true,
    isRedeliveredCopy: false,
    publishedAt: first.publishedAt,
  });
});

test('a message that another program published into the parked stream counts as published there', async () => {
  const { writer, openParked, parkedCreated } = await startScene(client);
  await client.connection.request(SUBJECT, '{"theirs":1}', { timeout: 5000 });
  const queue = await openParked();
  const message = await queue.next();
  const position = { stream: PARKED, streamCreatedAt: parkedCreated, sequence: 1 };
  expect(message).toMatchObject({
    subject: SUBJECT,
    stream: PARKED,
    sequence: 1,
    attemptNumber: 1,
    position,
  });
  await writer.park(message, parking({ attempts: 1 }));
  expect(await queue.next(1)).toMatchObject({
    subject: SUBJECT,
    stream: PARKED,
    sequence: 1,
    attemptNumber: 2,
  });
});
