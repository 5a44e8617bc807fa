import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../src/core/endpoint/registry.ts';
import type { EndpointRow } from '../../src/core/endpoint/row.ts';
import { createMessageParser } from '../../src/core/message/envelope.ts';
import { resolve } from '../../src/delivery/resolve.ts';
import { registeredRow } from '../core/endpoint/registered-row.ts';
import { message } from './messages.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};
const endpoint = (row: Partial<EndpointRow>) =>
  endpointOf(registeredRow(row), { retries: RETRIES, disabled: 'dead-letter' });
const parse = createMessageParser();

type Given = Parameters<typeof message>[1];

function route(given: Given, rows: Partial<EndpointRow>[], body: unknown = { n: 1 }, asOf = 1) {
  const received = message(body, given);
  const registry = { registry: new Registry(rows.map(endpoint)), asOf };
  return resolve(parse(received), received, registry, (target) => target);
}

const shop = { id: 1, name: 'orders', natsSubject: 'webhooks.orders' };
const audit = { id: 2, name: 'audit', natsSubject: 'webhooks.*' };
const DIRECTED = { subject: 'webhooks.orders', headers: { 'Webhook-Endpoint-Id': '2' } };

describe('a message for one row', () => {
  it('goes to this row, and not to others that match its subject', () => {
    expect(route(DIRECTED, [shop, audit])).toMatchObject({ endpoint: { row: { id: 2 } } });
  });

  it('goes to this row, whatever its subject and the event_types of the row are', () => {
    const row = { id: 2, natsSubject: 'webhooks.other', eventTypes: ['a'] };
    expect(route(DIRECTED, [shop, row])).toMatchObject({ endpoint: { row: { id: 2 } } });
    expect(route(DIRECTED, [shop, row], '{"broken')).toMatchObject({ endpoint: { row: { id: 2 } } });
  });

  it('becomes a dead letter of this row if there is none', () => {
    expect(route(DIRECTED, [shop])).toEqual({
      id: expect.anything(),
      endpointKey: 'none',
      webhookId: 2,
      outcome: {
        kind: 'undeliverable',
        reason: 'unroutable',
        detail:
          'the NATS header Webhook-Endpoint-Id sends the message to the row of rule_webhooks with webhook_id 2 and to no other, ' +
          'and there is no such row: replay this dead letter without this header, or with the webhook_id of another row',
      },
    });
  });

  it('waits for a newer read of the rows first', () => {
    expect(route({ ...DIRECTED, receivedAt: 5 }, [shop])).toMatchObject({
      outcome: { kind: 'localFault', code: 'REGISTRY_STALE' },
    });
  });

  it('becomes a dead letter if the row is disabled', () => {
    expect(route(DIRECTED, [shop, { ...audit, enabled: false }])).toMatchObject({
      webhookId: 2,
      outcome: { reason: 'disabled' },
    });
  });

  it('waits if the row is wrong', () => {
    expect(route(DIRECTED, [shop, { ...audit, url: 'ftp://a' }])).toMatchObject({
      webhookId: 2,
      outcome: { kind: 'held' },
    });
  });

  it('keeps its row in an order with messages of other rows', () => {
    const ordered = { ...DIRECTED, subject: 'webhooks.ordered.k', orderingKey: 'webhooks.ordered.k' };
    expect(route(ordered, [shop, audit])).toMatchObject({ endpoint: { row: { id: 2 } } });
  });
});

describe('a parked copy of a message for one row', () => {
  const parked = {
    ...DIRECTED,
    isParkedCopy: true,
    parkedEndpointKey: endpoint(audit).key,
    webhookId: 2,
  };

  it('goes to the row also after the row was renamed', () => {
    expect(route(parked, [shop, { ...audit, name: 'new' }])).toMatchObject({ endpoint: { row: { id: 2 } } });
  });

  it('does not go to a row that was registered again under the same name, as other copies do', () => {
    const again = { ...audit, id: 3 };
    expect(route(parked, [shop, again])).toMatchObject({ webhookId: 2, outcome: { reason: 'unroutable' } });
    expect(route({ ...parked, headers: {} }, [shop, again])).toMatchObject({ endpoint: { row: { id: 3 } } });
  });
});

describe('an ordered message with a name', () => {
  const ordered = {
    subject: 'webhooks.ordered.customer-17',
    orderingKey: 'webhooks.ordered.customer-17',
    headers: { 'Webhook-Name': 'orders' },
  };

  it('goes to the rows of its name', () => {
    expect(route(ordered, [shop])).toMatchObject({ endpoint: { row: { id: 1 } } });
    expect(route(ordered, [{ id: 5, name: 'orders', natsSubject: null }])).toMatchObject({
      endpoint: { row: { id: 5 } },
    });
    expect(route(ordered, [shop, audit])).toMatchObject({ webhookIds: [1, 2] });
  });

  it('does not go to the rows of its key', () => {
    const row = { id: 9, name: 'customer-17', natsSubject: 'webhooks.ordered.*' };
    expect(route(ordered, [row])).toMatchObject({
      outcome: {
        reason: 'unroutable',
        detail: expect.stringContaining('nats_subject webhooks.orders or is named orders'),
      },
    });
  });

  it('is malformed if no subject can have the name', () => {
    expect(route({ ...ordered, headers: { 'Webhook-Name': '*' } }, [shop, audit])).toMatchObject({
      outcome: { reason: 'malformed', detail: expect.stringContaining('Webhook-Name is not a name') },
    });
  });

  it('counts only in the stream of ordered webhooks', () => {
    const other = { subject: 'webhooks.other', headers: { 'Webhook-Name': 'orders' } };
    expect(route(other, [shop])).toMatchObject({ outcome: { reason: 'unroutable' } });
  });
});

describe('the headers and params of a message', () => {
  const asked = (headers: Record<string, string>) => ({ subject: 'webhooks.orders', headers });

  it('are added to those of the row: the param of the message wins, the header of the row wins', () => {
    const row = {
      ...shop,
      url: 'https://example.com/in?u=1',
      params: '{"a":"row","b":"row"}',
      headers: { 'X-Row': 'row', Both: 'row' },
    };
    const given = asked({
      'Webhook-Params': '{"b":"message","c":"ü &"}',
      'Webhook-Headers': '{"both":"message","X-Message":"m","webhook-id":"x"}',
    });
    expect(route(given, [row])).toMatchObject({
      target: { href: 'https://example.com/in?u=1&a=row&b=message&c=%C3%BC%20%26' },
      headers: ['X-Row', 'row', 'Both', 'row', 'X-Message', 'm', 'content-type', 'application/json'],
    });
  });

  it('are added to a URL that the payload fills', () => {
    const row = { ...shop, url: 'https://example.com/{n}', params: '{"a":1}' };
    expect(route(asked({ 'Webhook-Params': '{"a":"2"}' }), [row])).toMatchObject({
      target: { href: 'https://example.com/1?a=2' },
    });
  });

  it('name the type of the body, before the NATS header Content-Type', () => {
    const given = asked({ 'Webhook-Headers': '{"Content-Type":"text/csv"}', 'Content-Type': 'text/plain' });
    expect(route(given, [shop])).toMatchObject({ headers: ['Content-Type', 'text/csv'] });
    const templated = { ...shop, bodyTemplate: '{"x":1}' };
    expect(route(given, [templated])).toMatchObject({ headers: ['content-type', 'application/json'] });
  });

  it('do not add a second signature of GitHub', () => {
    const given = asked({ 'Webhook-Headers': '{"X-Hub-Signature-256":"sha256=00"}' });
    const signing = { ...shop, secrets: ['secret'], hubSignature: true };
    expect(route(given, [signing])).toMatchObject({ headers: ['content-type', 'application/json'] });
    expect(route(given, [shop])).toHaveProperty('headers.1', 'sha256=00');
  });
});
