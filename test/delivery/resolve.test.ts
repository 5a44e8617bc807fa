import { describe, expect, it } from 'vitest';
import { createMessageParser } from '../../src/core/envelope.ts';
import { type EndpointRow, endpointOf, Registry } from '../../src/core/registry.ts';
import { resolve } from '../../src/delivery/resolve.ts';
import { registeredRow } from '../core/registered-row.ts';
import { ENVELOPE, message } from './messages.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};
const endpoint = (row: Partial<EndpointRow>) =>
  endpointOf(registeredRow(row), { retries: RETRIES, disabled: 'dead-letter' });
const parse = createMessageParser();

function route(given: Parameters<typeof message>, ...rows: Partial<EndpointRow>[]) {
  const one = message(...given);
  return resolve(parse(one), one, new Registry(rows.map(endpoint)));
}

describe('a message without a URL', () => {
  it('goes to the endpoint of its subject, whole', () => {
    const row = { url: 'https://example.com/in?key=1', method: 'PUT', headers: { 'X-A': '1' } };
    expect(route(['{"event": "x",  "data": 1}', { subject: 'webhooks.orders' }], row)).toMatchObject({
      target: { href: 'https://example.com/in?key=1' },
      method: 'PUT',
      headers: ['X-A', '1', 'content-type', 'application/json'],
      body: Buffer.from('{"event": "x",  "data": 1}'),
    });
  });

  it('may be no JSON at all', () => {
    const given = Buffer.from([0xff, 0x00]).toString('latin1');
    expect(route([given, { subject: 'webhooks.orders' }], {})).toHaveProperty('body');
  });

  it('has no body where the endpoint wants a GET', () => {
    expect(route([{ n: 1 }, { subject: 'webhooks.orders' }], { method: 'GET' })).toMatchObject({
      method: 'GET',
      headers: [],
      body: null,
    });
  });

  it('says the Content-Type of its NATS header, unless the row has its own', () => {
    const headers = { 'Content-Type': 'application/cloudevents+json' };
    expect(route(['{}', { subject: 'webhooks.orders', headers }], {})).toMatchObject({
      headers: ['content-type', 'application/cloudevents+json'],
    });
    const own = { headers: { 'content-type': 'text/plain' } };
    expect(route(['{}', { subject: 'webhooks.orders', headers }], own)).toMatchObject({
      headers: ['content-type', 'text/plain'],
    });
  });

  it('that nobody is registered for becomes a dead letter, whose reason holds the cure', () => {
    expect(route([{}, { subject: 'webhooks.nobody' }], {})).toMatchObject({
      outcome: {
        kind: 'unsendable',
        reason: 'unroutable',
        detail: expect.stringContaining("rule_webhook_register('nobody'"),
      },
    });
  });

  it.each([
    ['that is not enabled', { enabled: false }, { kind: 'unsendable', reason: 'disabled' }],
    ['with a URL that is none', { url: 'x' }, { kind: 'unsendable', reason: 'malformed' }],
    ['with a password in its URL', { url: 'https://u:p@a.example' }, { kind: 'refused' }],
  ])('for an endpoint %s is not sent', (_what, row, outcome) => {
    expect(route([{}, { subject: 'webhooks.orders' }], row)).toMatchObject({ outcome });
  });

  it('waits where the rows have never been read', () => {
    const one = message({}, { subject: 'webhooks.orders' });
    expect(resolve(parse(one), one, null)).toMatchObject({ outcome: { kind: 'faulted' } });
  });

  it('goes to the endpoint in whose queue it waited, whatever its subject matches by now', () => {
    const rows = [
      { id: 1, name: 'one', natsSubject: 'webhooks.orders' },
      { id: 2, name: 'two', natsSubject: 'webhooks.orders' },
    ];
    const parkedFor = endpoint(rows[1]!).key;
    expect(route([{}, { subject: 'webhooks.orders', isParkedCopy: true, parkedFor }], ...rows)).toMatchObject(
      {
        endpoint: { row: { name: 'two' } },
      },
    );
  });

  it('goes where its subject leads when that endpoint is no more', () => {
    const given = { subject: 'webhooks.orders', isParkedCopy: true, parkedFor: 'gone-00000000' };
    expect(route([{}, given], {})).toMatchObject({ endpoint: { row: { name: 'orders' } } });
  });
});

describe('a message with a URL', () => {
  it('goes there, whoever is registered for its subject', () => {
    expect(route([ENVELOPE, { subject: 'webhooks.orders' }], {})).toMatchObject({
      target: { hostname: 'example.com', path: '/hook?token=secret' },
      endpoint: null,
    });
  });
});
