import { describe, expect, it } from 'vitest';
import { composeWebhook } from '../../../src/core/message/compose.ts';
import { idsOf, natsMessageId, type OutboxRow, partsOf } from '../../../src/core/outbox/outbox-row.ts';

const INSTALLATION = '3f0d6a6e-5f3e-4c29-8d75-0b6f4f6f7a11';
const GENERATED = 'outbox-9b2f1c44-0a52-4a77-8f3e-0d2f6a1b7c55';

const rowOf = (fields: Partial<OutboxRow> = {}): OutboxRow => ({
  id: 1,
  name: 'orders',
  data: '{"a": 1}',
  webhookUrl: null,
  headers: null,
  messageId: GENERATED,
  orderingKey: null,
  deliverAt: null,
  retries: 0,
  ...fields,
});

function messageOf(fields: Partial<OutboxRow>) {
  const row = rowOf(fields);
  const message = composeWebhook(partsOf(row), idsOf(row, INSTALLATION));
  return 'invalid' in message ? message : { ...message, body: Buffer.from(message.body).toString() };
}

describe('the message of a row', () => {
  it('without a URL is data, whatever it holds', () => {
    expect(messageOf({ data: '{"webhook_url": "http://a.test"}' })).toEqual({
      subject: 'webhooks.orders',
      body: '{"webhook_url": "http://a.test"}',
      headers: { 'Nats-Msg-Id': GENERATED, 'Webhook-Delivery-Id': GENERATED, 'Webhook-Payload': 'bare' },
    });
  });

  it('with a URL is an envelope, with the data byte for byte', () => {
    expect(
      messageOf({ webhookUrl: 'https://a.test/"x', headers: '{"X-A": 1, "X-B": true}', data: '{"n": 1.10}' }),
    ).toMatchObject({
      body: '{"webhook_url":"https://a.test/\\"x","headers":{"X-A":"1","X-B":"true"},"data":{"n": 1.10}}',
    });
  });

  it('has the headers of a row without a URL, and its event type, as NATS headers', () => {
    expect(messageOf({ headers: '{"x-event-type": "order.paid", "X-Note": "ü"}' })).toMatchObject({
      headers: {
        'X-Event-Type': 'order.paid',
        'Webhook-Headers': '{"x-event-type":"order.paid","X-Note":"\\u00fc"}',
      },
    });
  });

  it('has its ordering key, and the time to deliver at', () => {
    expect(messageOf({ orderingKey: 'customer-17', deliverAt: Date.UTC(2030, 0, 1) })).toMatchObject({
      subject: 'webhooks.ordered.customer-17',
      headers: { 'Webhook-Name': 'orders', 'Webhook-Deliver-At': '2030-01-01T00:00:00.000Z' },
    });
  });

  it('is invalid where the message could not be sent', () => {
    expect(messageOf({ webhookUrl: 'https://{host}/' })).toHaveProperty('invalid');
  });
});

describe('the id in NATS', () => {
  const idOf = (fields: Partial<OutboxRow>, installation = INSTALLATION) =>
    natsMessageId(rowOf(fields), installation);

  it('is the generated id of the row', () => {
    expect(idOf({})).toBe(GENERATED);
    expect(idOf({}, 'another')).toBe(GENERATED);
  });

  it('of an id that the user chose counts within the name and the database', () => {
    const id = idOf({ messageId: '17' });
    expect(id).toMatch(/^outbox-[\w-]{22}$/);
    expect(idOf({ messageId: '17' })).toBe(id);
    expect(idOf({ messageId: '17', name: 'invoices' })).not.toBe(id);
    expect(idOf({ messageId: '17' }, 'another')).not.toBe(id);
  });

  it('is another one after each retry of an operator', () => {
    expect(idOf({ retries: 2 })).toBe(`${GENERATED}-2`);
    expect(new Set([0, 1, 2].map((retries) => idOf({ messageId: '17', retries }))).size).toBe(3);
  });
});
