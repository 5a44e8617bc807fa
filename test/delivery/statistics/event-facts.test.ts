import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../../src/core/endpoint/registry.ts';
import type { Delivery } from '../../../src/core/message/delivery.ts';
import { createMessageParser } from '../../../src/core/message/envelope.ts';
import { resolve } from '../../../src/delivery/resolve.ts';
import { eventFactsOf } from '../../../src/delivery/statistics/event-facts.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';
import { message } from '../messages.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};
const registry = {
  registry: new Registry([endpointOf(registeredRow(), { retries: RETRIES, disabled: 'park' })]),
  asOf: 1,
};
const parse = createMessageParser();

function factsOf(body: unknown, rest: Parameters<typeof message>[1] = {}) {
  const given = message(body, { subject: 'webhooks.orders', ...rest });
  return eventFactsOf(given, resolve(parse(given), given, registry, (target) => target) as Delivery);
}
const typeOf = (...given: Parameters<typeof factsOf>) => factsOf(...given).eventType;
const HEADER = { 'X-Event-Type': 'of.header' };
const URL = { webhook_url: 'https://example.com' };

describe('the event type', () => {
  it.each([
    ['the NATS header first', { event: 'of.payload' }, { headers: HEADER }, 'of.header'],
    ['event', { type: 'c', event_type: 'b', event: 'a' }, {}, 'a'],
    ['event_type', { type: 'c', event_type: 'b', event: 7 }, {}, 'b'],
    ['type, with escapes', '{"type":"\\u0063"}', {}, 'c'],
    ['none further down', { data: { type: 'c' } }, {}, null],
    ['none of another kind', { type: null, event: {} }, {}, null],
    ['none of broken JSON', '{"type":"c"', {}, null],
    ['none of the data of an envelope', { ...URL, data: { type: 'c' } }, {}, null],
    ['the header of the request of an envelope', { ...URL, headers: { 'x-event-type': 'a' } }, {}, 'a'],
    ['also without a row', { type: 'c' }, { subject: 'webhooks.nowhere' }, 'c'],
    ['at most 255 characters', { type: 'c'.repeat(300) }, {}, 'c'.repeat(255)],
  ] as const)('is %s', (_, body, rest, expected) => {
    expect(typeOf(body, rest)).toBe(expected);
  });
});

it('the id and the name come from NATS headers, the name only of an ordered message', () => {
  const headers = { 'Webhook-Event-Id': 'evt_1', 'Webhook-Name': 'orders' };
  const ordered = { headers, subject: 'webhooks.ordered.k', orderingKey: 'webhooks.ordered.k' };
  expect(factsOf({}, ordered)).toEqual({ eventType: null, eventId: 'evt_1', webhookName: 'orders' });
  expect(factsOf({}, { headers })).toEqual({ eventType: null, eventId: 'evt_1', webhookName: null });
});
