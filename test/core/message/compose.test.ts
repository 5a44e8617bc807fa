import { describe, expect, it } from 'vitest';
import { composeWebhook, type PublishedAs, type WebhookParts } from '../../../src/core/message/compose.ts';

const BODY = Buffer.from('{"n":1}');
const make = ({ prefix, messageId, deliveryId, ...parts }: Partial<WebhookParts & PublishedAs>) =>
  composeWebhook({ name: 'orders', body: BODY, ...parts }, { prefix, messageId, deliveryId });

describe('the message of a webhook', () => {
  it('is the body on the subject of its name, marked as data', () => {
    expect(make({})).toEqual({
      subject: 'webhooks.orders',
      body: BODY,
      headers: { 'Webhook-Payload': 'bare' },
    });
  });

  it('goes to the subject of its ordering key, with its name and its key in headers', () => {
    expect(make({ orderingKey: 'order 7' })).toEqual({
      subject: expect.stringMatching(/^webhooks\.ordered\.order_7~[\w-]{32}$/),
      body: BODY,
      headers: { 'Webhook-Payload': 'bare', 'Webhook-Name': 'orders', 'Ordering-Key': 'order%207' },
    });
  });

  it('says everything else in headers', () => {
    expect(
      make({
        prefix: 'hooks.eu',
        messageId: 'api-orders-1',
        deliveryId: 'orders-1',
        contentType: 'text/plain',
        eventType: 'order.paid',
        eventId: 'evt_1',
        deliverAt: '2030-01-01T12:00:00+02:00',
        expiresAt: 1_900_000_000_000,
        maxAttempts: 3,
        endpointId: 7,
        headers: { 'X-Name': 'ü' },
        params: { café: '€' },
        callId: '17.0',
        trace: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1' },
      }),
    ).toEqual({
      subject: 'hooks.eu.orders',
      body: BODY,
      headers: {
        'Webhook-Payload': 'bare',
        'Nats-Msg-Id': 'api-orders-1',
        'Webhook-Delivery-Id': 'orders-1',
        'Content-Type': 'text/plain',
        'X-Event-Type': 'order.paid',
        'Webhook-Event-Id': 'evt_1',
        'Webhook-Deliver-At': '2030-01-01T10:00:00.000Z',
        'Webhook-Expires-At': '2030-03-17T17:46:40.000Z',
        'Webhook-Max-Attempts': '3',
        'Webhook-Endpoint-Id': '7',
        'Webhook-Headers': '{"X-Name":"\\u00fc"}',
        'Webhook-Params': '{"caf\\u00e9":"\\u20ac"}',
        'Webhook-Call-Id': '17.0',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        tracestate: 'a=1',
      },
    });
  });

  it('of an envelope has no mark', () => {
    const body = Buffer.from('{"webhook_url":"https://example.com/hook","data":{"n":1}}');
    expect(make({ body, isEnvelope: true })).toEqual({ subject: 'webhooks.orders', body, headers: {} });
  });

  it.each([
    [{ name: 'a.b' }, '/name'],
    [{ name: '' }, '/name'],
    [{ name: '*' }, '/name'],
    [{ name: '>' }, '/name'],
    [{ name: 'a b' }, '/name'],
    [{ name: 'a\x01' }, '/name'],
    [{ name: '\ud800' }, '/name'],
    [{ name: 'a'.repeat(256) }, '/name'],
    [{ orderingKey: '' }, '/ordering_key'],
    [{ orderingKey: 'é'.repeat(101) }, '/ordering_key'],
    [{ eventType: '' }, '/event_type'],
    [{ eventType: 'a\nb' }, '/event_type'],
    [{ eventId: 'a\rb' }, '/event_id'],
    [{ deliveryId: 'x'.repeat(256) }, '/delivery_id'],
    [{ messageId: ' ' }, '/message_id'],
    [{ contentType: 'text/plain\r\nX: y' }, '/content_type'],
    [{ deliverAt: 'tomorrow' }, '/deliver_at'],
    [{ deliverAt: Number.NaN }, '/deliver_at'],
    [{ deliverAt: '2030-01-01T12:00:00' }, '/deliver_at'],
    [{ expiresAt: `2030${'0'.repeat(12)}` }, '/expires_at'],
    [{ deliverAt: '2030-01-01T12:00:00Z', expiresAt: '2030-01-01T12:00:00Z' }, '/expires_at'],
    [{ maxAttempts: 0 }, '/max_attempts'],
    [{ maxAttempts: 101 }, '/max_attempts'],
    [{ maxAttempts: 1.5 }, '/max_attempts'],
    [{ endpointId: 1.5 }, '/endpoint'],
    [{ headers: { Host: 'evil' } }, '/headers'],
    [{ headers: { 'a b': '1' } }, '/headers'],
    [{ headers: { a: 'x\r\ny' } }, '/headers'],
    [{ headers: { a: 'x'.repeat(65_536) } }, '/headers'],
    [{ params: { a: 'x'.repeat(65_536) } }, '/url_params'],
    [{ isEnvelope: true }, '/webhook_url'],
    [{ isEnvelope: true, body: Buffer.from('{"webhook_url":"ftp://a"}') }, '/webhook_url'],
    [{ isEnvelope: true, body: Buffer.from('{"webhook_url":"http://a.b"}'), endpointId: 1 }, '/endpoint'],
  ] satisfies [Partial<WebhookParts & PublishedAs>, string][])('is invalid: %j, at %s', (parts, pointer) => {
    expect(make(parts)).toEqual({ invalid: { pointer, detail: expect.stringMatching(/.{10}/) } });
  });

  it('never shows a value in what is invalid', () => {
    const parts = [
      { headers: { 'X-Token': 'secret\n' } },
      { params: { token: `secret${'x'.repeat(65_536)}` } },
    ];
    for (const each of parts) expect(JSON.stringify(make(each))).not.toContain('secret');
  });
});
