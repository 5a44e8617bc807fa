import { describe, expect, test } from 'vitest';
import { withMessageFlags } from '../../src/publishing/message-flags.ts';

const NOW = Date.UTC(2027, 0, 31, 12);
const made = (
  flags: Parameters<typeof withMessageFlags>[0],
  subject = 'webhooks.orders',
  given: Record<string, string> = {},
) => withMessageFlags(flags, subject, given, NOW);

test('without flags, subject and headers are as they were given', () => {
  const given = { 'X-A': '1' };
  expect(made({}, 'orders', given)).toEqual({ subject: 'orders', headers: given });
});

test('an ordering key takes the place of the name in the subject', () => {
  expect(made({ orderingKey: 'customer 17' }, 'shop.eu.orders')).toEqual({
    subject: expect.stringMatching(/^shop\.eu\.ordered\.customer_17~/),
    headers: { 'Webhook-Name': 'orders', 'Ordering-Key': 'customer%2017' },
  });
});

test('the other flags leave the subject as it is, also one of a single token', () => {
  const flags = { eventType: 'order.paid', maxAttempts: 2, deliverAt: '2027-02-01T00:00:00Z' };
  expect(made(flags, 'orders', { 'X-A': '1' })).toEqual({
    subject: 'orders',
    headers: {
      'X-A': '1',
      'X-Event-Type': 'order.paid',
      'Webhook-Max-Attempts': '2',
      'Webhook-Deliver-At': '2027-02-01T00:00:00.000Z',
    },
  });
});

describe('a flag that cannot be used is a problem', () => {
  test.each<[Parameters<typeof made>, string]>([
    [[{ orderingKey: '' }], '--ordering-key: an ordering key must not be empty'],
    [[{ orderingKey: 'é'.repeat(101) }], '--ordering-key: an ordering key has at most 200 bytes'],
    [[{ orderingKey: 'a' }, 'orders'], '--ordering-key needs a --subject of at least two tokens'],
    [[{ eventType: 'a\nb' }], '--event-type: it must be 1 to 255 characters in one line'],
    [[{ deliverAt: 'tomorrow' }], '--deliver-at: it is not a time'],
    [
      [
        { deliverAt: '2027-03-01T00:00:00Z' },
        'webhooks.orders',
        { 'Webhook-Expires-At': '2027-02-01T00:00:00Z' },
      ],
      'is not before Webhook-Expires-At',
    ],
    [
      [{ eventType: 'a' }, 'webhooks.orders', { 'x-event-type': 'b' }],
      'X-Event-Type is given by --nats-header and',
    ],
  ])('%j', (given, problem) => {
    expect(made(...given)).toEqual({ problem: expect.stringContaining(problem) });
  });
});
