import { headers, type Msg } from 'nats';
import { describe, expect, it, test } from 'vitest';
import {
  orderedMessage,
  parkedMessage,
  publishedMessage,
} from '../../../src/nats/messages/received-message.ts';
import { startTestNats } from '../../support/servers.ts';
import { STREAM } from '../group.ts';
import { connectTo } from '../servers.ts';
import { startSettling } from '../settlement/settlement-scene.ts';

test('a detached message keeps its content, but not the buffer of the other messages that arrived with it', async () => {
  const client = await connectTo((await startTestNats()).url);
  const { next, settle } = await startSettling(client);
  const withId = headers();
  withId.set('Webhook-Delivery-Id', 'order-1');
  const data = Buffer.from('{"n":1}');
  for (let number = 0; number < 3; number++)
    client.connection.publish(`webhooks.${STREAM}`, data, { headers: withId });
  const message = await next();
  message.detach();
  expect(message.data.buffer.byteLength).toBe(message.size);
  expect([message.subject, Buffer.from(message.data), message.header('Webhook-Delivery-Id')]).toEqual([
    `webhooks.${STREAM}`,
    data,
    'order-1',
  ]);
  expect(await settle(message, { kind: 'ack' })).toEqual({ kind: 'ack' });
});

/** A message of the NATS client. */
function msg(subject: string, deliveryCount: number, values: Readonly<Record<string, string>> = {}): Msg {
  const published = headers();
  for (const [name, value] of Object.entries(values)) published.set(name, value);
  const reply = `$JS.ACK.S.durable.${deliveryCount}.42.1.1790000000000000000.5`;
  return { subject, reply, data: Buffer.from('{}'), headers: published } as unknown as Msg;
}

const COPY = {
  'Webhook-Original-Subject': 'webhooks.orders',
  'Webhook-Original-Stream': 'WEBHOOKS',
  'Webhook-Original-Stream-Created': '7',
  'Webhook-Original-Sequence': '9',
  'Webhook-Attempts': '3',
  'Webhook-First-Seen': '2026-01-31T12:00:00.000Z',
};
const LATER = { ...COPY, 'Webhook-Not-Before': '2026-02-01T12:00:00.000Z' };
const NOT_BEFORE = Date.parse(LATER['Webhook-Not-Before']);

const AS_STORED = { stream: 'S', streamCreatedAt: 1, sequence: 42, publishedAt: 1_790_000_000_000 };
const AS_PUBLISHED = {
  subject: 'webhooks.orders',
  stream: 'WEBHOOKS',
  streamCreatedAt: 7,
  sequence: 9,
  publishedAt: Date.parse(COPY['Webhook-First-Seen']),
};
const NO_COPY = { isParkedCopy: false, parkedEndpointKey: null, notBefore: null, orderingKey: null };

describe('a message', () => {
  it.each([
    [
      'of the main stream is as it was published, whatever its headers say',
      publishedMessage(msg('webhooks.a', 2, COPY), 1),
      { ...AS_STORED, ...NO_COPY, subject: 'webhooks.a', attemptNumber: 2 },
    ],
    [
      'that is parked for an endpoint is as it was published, and its attempts are counted on',
      parkedMessage(msg('parked.WEBHOOKS.shop-1', 1, COPY), 1),
      { ...AS_PUBLISHED, ...NO_COPY, isParkedCopy: true, parkedEndpointKey: 'shop-1', attemptNumber: 4 },
    ],
    [
      'that is parked until a time does not count its first delivery',
      parkedMessage(msg('parked.WEBHOOKS.shop-1', 1, LATER), 1),
      {
        ...AS_PUBLISHED,
        isParkedCopy: true,
        parkedEndpointKey: 'shop-1',
        notBefore: NOT_BEFORE,
        attemptNumber: 3,
        isFirstDeliveryOfDelayed: true,
        isRedeliveredCopy: false,
      },
    ],
    [
      'in the queue of a minute waits for no endpoint',
      parkedMessage(msg('parked.WEBHOOKS.at.2026-02-01T12:00', 3, LATER), 1),
      { parkedEndpointKey: null, notBefore: NOT_BEFORE, attemptNumber: 5, isRedeliveredCopy: true },
    ],
    [
      'in the queue of a day may be moved at once',
      parkedMessage(msg('parked.WEBHOOKS.at.2026-02-01', 1, LATER), 1),
      { parkedEndpointKey: null, notBefore: null, attemptNumber: 4 },
    ],
    [
      'in the parked stream that is not our copy counts as published there',
      parkedMessage(msg('parked.WEBHOOKS.shop-1', 1, { 'Webhook-Attempts': '3' }), 1),
      { ...AS_STORED, ...NO_COPY, isParkedCopy: true, subject: 'parked.WEBHOOKS.shop-1', attemptNumber: 1 },
    ],
    [
      'of the ordered stream has its subject as ordering key, whatever its headers say',
      orderedMessage(msg('webhooks.ordered.k', 1, COPY), 1),
      { ...AS_STORED, ...NO_COPY, subject: 'webhooks.ordered.k', orderingKey: 'webhooks.ordered.k' },
    ],
    [
      'that is an ordered copy is as it was published, and has the ordering key of its endpoint',
      orderedMessage(msg('ordered.WEBHOOKS.webhooks.orders.shop-1', 1, COPY), 1),
      {
        ...AS_PUBLISHED,
        ...NO_COPY,
        parkedEndpointKey: 'shop-1',
        orderingKey: 'ordered.WEBHOOKS.webhooks.orders.shop-1',
        attemptNumber: 4,
      },
    ],
  ])('%s', (_, message, expected) => {
    expect(message).toMatchObject(expected);
    expect(message.position).toEqual({ stream: 'S', streamCreatedAt: 1, sequence: 42 });
  });
});

describe('a header of a message', () => {
  const values = { 'nats-ttl': '5s', 'X-Event-Type': 'order.paid', 'x-event-type': 'order.lost' };
  const header = (name: string) => publishedMessage(msg('orders', 1, values), 1).header(name);

  it.each([
    ['Nats-TTL', '5s'],
    ['X-Event-Type', 'order.paid'],
    ['x-event-type', 'order.lost'],
    ['X-EVENT-TYPE', 'order.paid'],
    ['Webhook-Delivery-Id', undefined],
  ])('%s is found in any letter case, and in the same case first: %s', (name, expected) => {
    expect(header(name)).toBe(expected);
  });
});
