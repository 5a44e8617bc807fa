import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../src/core/endpoint/registry.ts';
import type { EndpointRow } from '../../src/core/endpoint/row.ts';
import { createMessageParser } from '../../src/core/message/envelope.ts';
import { isFanOut, resolve } from '../../src/delivery/resolve.ts';
import { registeredRow } from '../core/endpoint/registered-row.ts';
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
  const received = message(...given);
  return resolve(
    parse(received),
    received,
    { registry: new Registry(rows.map(endpoint)), asOf: 1 },
    (target) => target,
  );
}

describe('a copy for one of two rows whose keys have the same digits', () => {
  const [one, other] = [4978, 16_399].map((id) => ({ id, name: `row-${id}` }));
  const [copyOne, copyOther] = [one!, other!].map(({ id, name }) => ({
    isParkedCopy: true,
    parkedEndpointKey: endpoint({ id, name }).key,
    webhookId: id,
  }));
  const nameOf = (routed: ReturnType<typeof route>) =>
    'endpoint' in routed ? routed.endpoint?.row.name : 'none';

  it('goes to its row, also after both were renamed', () => {
    const renamed = [one!, other!].map(({ id }) => ({ id, name: `new-${id}` }));
    expect(nameOf(route([{}, copyOne!], ...renamed))).toBe('new-4978');
    expect(nameOf(route([{}, copyOther!], ...renamed))).toBe('new-16399');
  });

  it('never goes to the other row when its own is deleted', () => {
    expect(route([{}, copyOne!], other!)).toMatchObject({
      webhookId: 4978,
      outcome: { kind: 'undeliverable', reason: 'unroutable' },
    });
  });
});

describe('a message without a URL', () => {
  it('is sent whole to the endpoint of its subject', () => {
    const row = { url: 'https://example.com/in?key=1', method: 'PUT', headers: { 'X-A': '1' } };
    expect(route(['{"event": "x",  "data": 1}', { subject: 'webhooks.orders' }], row)).toMatchObject({
      target: { href: 'https://example.com/in?key=1' },
      method: 'PUT',
      headers: ['X-A', '1', 'content-type', 'application/json'],
      body: Buffer.from('{"event": "x",  "data": 1}'),
    });
  });

  it('does not have to be JSON', () => {
    const given = Buffer.from([0xff, 0x00]).toString('latin1');
    expect(route([given, { subject: 'webhooks.orders' }], {})).toHaveProperty('body');
  });

  it('is sent without a body if the method of its row is GET', () => {
    expect(route([{ n: 1 }, { subject: 'webhooks.orders' }], { method: 'GET' })).toMatchObject({
      method: 'GET',
      headers: [],
      body: null,
    });
  });

  it('fills the URL of its row from its payload, and appends the params of the row', () => {
    const row = {
      url: 'https://example.com/{user.id}?v={value}',
      params: '{"big": 12345678901234567890, "a": ["x", "{value}"]}',
    };
    const payload = '{"user":{"id":"a/b"},"value":1.50}';
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(route([payload, { subject: 'webhooks.orders' }], { ...row, method })).toMatchObject({
        target: { path: '/a%2Fb?v=1.50&big=12345678901234567890&a=x&a=%7Bvalue%7D' },
        method,
        body: method === 'GET' ? null : Buffer.from(payload),
      });
    }
    expect(
      route([payload, { subject: 'webhooks.orders' }], { ...row, url: 'https://example.com/?v=1' }),
    ).toMatchObject({
      target: { href: 'https://example.com/?v=1&big=12345678901234567890&a=x&a=%7Bvalue%7D' },
    });
  });

  it('is sent with the body that the template of its row makes', () => {
    const headers = { 'Content-Type': 'text/csv', 'X-Event-Type': 'order.created', 'Nats-Msg-Id': 'm-1' };
    const given = ['{"n": 1.0}', { subject: 'webhooks.orders', headers }] as const;
    const bodyTemplate = '{"id":"{{id}}","type":"{{event_type}}","subject":"{{subject}}","payload":{{data}}}';
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      expect(route([...given], { bodyTemplate, method })).toMatchObject({
        headers: ['content-type', 'application/json'],
        body: Buffer.from(
          '{"id":"m-1","type":"order.created","subject":"webhooks.orders","payload":{"n": 1.0}}',
        ),
      });
    }
    const form = {
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      bodyTemplate: 'n={{data.n}}',
    };
    expect(route([...given], form)).toMatchObject({
      headers: ['Content-Type', 'application/x-www-form-urlencoded'],
      body: Buffer.from('n=1.0'),
    });
  });

  it.each<[Partial<EndpointRow>, string]>([
    [{ url: 'https://example.com/{id}' }, 'url: {id} is not in the payload'],
    [{ bodyTemplate: '{{data.id}}' }, 'body_template: {{data.id}} is not in the payload'],
  ])('becomes a dead letter whose detail names the missing field if its row has %j', (row, what) => {
    const detail = `rule_webhooks, webhook_name "orders": ${what}`;
    expect(route([{ ID: 1 }, { subject: 'webhooks.orders' }], row)).toMatchObject({
      outcome: { kind: 'undeliverable', reason: 'malformed', detail },
    });
  });

  it('is sent with the Content-Type of its NATS header, unless its row has another', () => {
    const headers = { 'Content-Type': 'application/cloudevents+json' };
    expect(route(['{}', { subject: 'webhooks.orders', headers }], {})).toMatchObject({
      headers: ['content-type', 'application/cloudevents+json'],
    });
    const own = { headers: { 'content-type': 'text/plain' } };
    expect(route(['{}', { subject: 'webhooks.orders', headers }], own)).toMatchObject({
      headers: ['content-type', 'text/plain'],
    });
  });

  it('becomes a dead letter whose detail contains the cure if no row matches its subject', () => {
    expect(route([{}, { subject: 'webhooks.nobody' }], {})).toMatchObject({
      outcome: {
        kind: 'undeliverable',
        reason: 'unroutable',
        detail: expect.stringContaining("rule_webhook_register('nobody'"),
      },
    });
  });

  it.each([
    ['that is not enabled', { enabled: false }, { kind: 'undeliverable', reason: 'disabled' }],
    ['with an invalid URL', { url: 'x' }, { kind: 'held', detail: expect.stringContaining('url is not') }],
    ['with a password in its URL', { url: 'https://u:p@a.example' }, { kind: 'held' }],
    ['with an invalid template', { bodyTemplate: '{' }, { kind: 'held' }],
    ['with a header that breaks the request', { headers: { Host: 'a' } }, { kind: 'held' }],
    ['with a secret that cannot sign', { secrets: ['hello world'] }, { kind: 'held' }],
  ])('is not sent to an endpoint %s', (_what, row, outcome) => {
    expect(route([{}, { subject: 'webhooks.orders' }], row)).toMatchObject({ outcome });
  });

  it('waits if the rows have never been read', () => {
    const received = message({}, { subject: 'webhooks.orders' });
    expect(resolve(parse(received), received, null, (target) => target)).toMatchObject({
      outcome: { kind: 'localFault' },
    });
  });

  it('goes to the endpoint of its parked queue, even if its subject matches other rows now', () => {
    const rows = [
      { id: 1, name: 'one', natsSubject: 'webhooks.orders' },
      { id: 2, name: 'two', natsSubject: 'webhooks.orders' },
    ];
    const parkedEndpointKey = endpoint(rows[1]!).key;
    expect(
      route([{}, { subject: 'webhooks.orders', isParkedCopy: true, parkedEndpointKey }], ...rows),
    ).toMatchObject({
      endpoint: { row: { name: 'two' } },
    });
  });

  it('goes to the new row of the same name if the row of its parked queue was deleted', () => {
    const given = { subject: 'webhooks.x', isParkedCopy: true, parkedEndpointKey: 'orders-00000000' };
    expect(route([{}, given], {}, { id: 2, name: 'b' })).toMatchObject({
      endpoint: { row: { name: 'orders' } },
    });
  });

  it('becomes a dead letter, and goes to no other endpoint, if the row of its parked queue was deleted for good', () => {
    const given = { subject: 'webhooks.orders', isParkedCopy: true, parkedEndpointKey: 'gone-00000000' };
    expect(route([{}, given], {})).toMatchObject({
      endpointKey: 'gone-00000000',
      outcome: {
        reason: 'unroutable',
        detail: expect.stringContaining('gone-00000000, and that row of rule_webhooks is deleted'),
      },
    });
  });

  it.each([
    ['matches its subject', []],
    ['accepts its event type', [{ eventTypes: ['order.paid'] }]],
  ])('waits for newer rows if it came after the last read and no row %s', (_what, known) => {
    const rows = { registry: new Registry(known.map(endpoint)), asOf: 1 };
    const received = message({}, { subject: 'webhooks.orders', receivedAt: 2 });
    expect(resolve(parse(received), received, rows, (target) => target)).toMatchObject({
      endpointKey: 'none',
      outcome: { kind: 'localFault', code: 'REGISTRY_STALE' },
    });
  });
});

describe('a message that several rows match', () => {
  const rows = [
    { id: 1, name: 'one', natsSubject: 'webhooks.orders' },
    { id: 2, name: 'two', natsSubject: 'webhooks.*' },
    { id: 3, name: 'three', natsSubject: 'webhooks.orders', eventTypes: ['order.*', 'refund'] },
    { id: 4, name: 'four', natsSubject: 'webhooks.invoices' },
  ];
  const keys = (...names: string[]) =>
    rows.filter(({ name }) => names.includes(name)).map((row) => endpoint(row).key);
  const orders = (data: unknown, headers: Record<string, string> = {}) =>
    route([data, { subject: 'webhooks.orders', headers }], ...rows);

  it('goes to each of these rows', () => {
    const fanOut = orders({ type: 'order.paid' });
    expect(fanOut).toMatchObject({ id: 'WEBHOOKS-loyw3v28-7' });
    expect(isFanOut(fanOut) && [...fanOut.endpointKeys].sort()).toEqual(keys('one', 'two', 'three').sort());
  });

  it('goes only to the rows that accept its event type', () => {
    const fanOut = orders({ type: 'invoice.paid' });
    expect(isFanOut(fanOut) && [...fanOut.endpointKeys].sort()).toEqual(keys('one', 'two').sort());
  });

  it('is one delivery if only one row accepts it', () => {
    expect(route([{ type: 'refund' }, { subject: 'webhooks.orders' }], rows[2]!, rows[3]!)).toMatchObject({
      endpoint: { row: { name: 'three' } },
    });
  });

  it('is discarded if no row accepts it', () => {
    expect(route([{ type: 'x' }, { subject: 'webhooks.orders' }], rows[2]!)).toMatchObject({
      endpointKey: keys('three')[0],
      outcome: { kind: 'filtered' },
    });
  });

  it('says in the discarded message which type it has', () => {
    const discarded = (data: unknown) =>
      route([data, { subject: 'webhooks.orders' }], { natsSubject: 'webhooks.orders', eventTypes: ['a'] });
    expect(discarded({ type: 'x', event: 'y' })).toMatchObject({
      outcome: { detail: expect.stringContaining('the event type "y" or "x"') },
    });
    expect(discarded({})).toMatchObject({ outcome: { detail: expect.stringContaining('no event type') } });
  });

  it('may have its event type in the NATS header X-Event-Type', () => {
    expect(orders('no JSON', { 'X-Event-Type': 'refund' })).toMatchObject({ endpointKeys: { length: 3 } });
  });

  it('is not filtered again when it comes from the parked queue of a row', () => {
    const copy = { subject: 'webhooks.orders', isParkedCopy: true, parkedEndpointKey: keys('three')[0]! };
    expect(route([{ type: 'x' }, copy], ...rows)).toMatchObject({ endpoint: { row: { name: 'three' } } });
  });
});

describe('the event_types {*}', () => {
  it.each([
    '{"user_id":1}',
    '{"event":7}',
    '[1]',
    'no JSON',
    '{"event":"order.created","total":NaN}',
    '',
  ])('accept every event, also one whose type is missing or cannot be read: %j', (payload) => {
    const row = { natsSubject: 'webhooks.orders', eventTypes: ['x', '*'] };
    expect(route([payload, { subject: 'webhooks.orders' }], row)).toMatchObject({
      endpoint: { row: { name: 'orders' } },
    });
  });
});

describe('a payload that is not JSON', () => {
  const ORDERS = { natsSubject: 'webhooks.orders', eventTypes: ['order.*'] };
  const BROKEN = '{"event":"order.created","total":NaN}';
  const orders = (payload: string, headers: Record<string, string> = {}, ...rows: Partial<EndpointRow>[]) =>
    route([payload, { subject: 'webhooks.orders', headers }], ...(rows.length === 0 ? [ORDERS] : rows));

  it.each([
    [BROKEN, 'breaks at byte 33; publish valid JSON'],
    ['{"event":"order.created"', 'ends too soon at byte 24; publish valid JSON'],
    ['{"event":"refund",}', 'breaks at byte 18; publish valid JSON'],
    ["{'event':'order.created'}", 'breaks at byte 1; publish valid JSON'],
    ['event=order.created', 'breaks at byte 0; name the type in the NATS header X-Event-Type'],
    ['[1,]', 'breaks at byte 3; name the type in the NATS header X-Event-Type'],
    ['', 'ends too soon at byte 0; name the type in the NATS header X-Event-Type'],
  ])('becomes a dead letter of the row whose event_types it meets: %j', (payload, why) => {
    expect(orders(payload)).toMatchObject({
      endpointKey: endpoint(ORDERS).key,
      outcome: { kind: 'undeliverable', reason: 'malformed', detail: expect.stringContaining(why) },
    });
  });

  it('is delivered if its NATS header X-Event-Type is accepted', () => {
    for (const payload of [BROKEN, 'text'])
      expect(orders(payload, { 'X-Event-Type': 'order.paid' })).toHaveProperty('endpoint');
  });

  it('is discarded for its NATS header X-Event-Type only if it was not meant as an object', () => {
    expect(orders('a;b', { 'X-Event-Type': 'refund' })).toMatchObject({ outcome: { kind: 'filtered' } });
    expect(orders(BROKEN, { 'X-Event-Type': 'refund' })).toMatchObject({ outcome: { reason: 'malformed' } });
  });

  it('goes to the rows that accept it, and is copied for the row that cannot decide', () => {
    const rows = [ORDERS, { id: 2, name: 'all', natsSubject: 'webhooks.*' }];
    const keys = rows.map((row) => endpoint(row).key);
    expect(orders(BROKEN, {}, ...rows)).toMatchObject({ endpointKeys: expect.arrayContaining(keys) });
    const copyFor = (parkedEndpointKey: string) =>
      route([BROKEN, { subject: 'webhooks.orders', isParkedCopy: true, parkedEndpointKey }], ...rows);
    expect(copyFor(keys[1]!)).toMatchObject({ endpoint: { row: { name: 'all' } } });
    expect(copyFor(keys[0]!)).toMatchObject({ endpointKey: keys[0], outcome: { reason: 'malformed' } });
  });

  it('waits for newer rows if it came after the last read', () => {
    const received = message(BROKEN, { subject: 'webhooks.orders', receivedAt: 2 });
    const rows = { registry: new Registry([endpoint(ORDERS)]), asOf: 1 };
    expect(resolve(parse(received), received, rows, (target) => target)).toMatchObject({
      outcome: { code: 'REGISTRY_STALE' },
    });
  });
});

describe('a payload with a byte order mark', () => {
  it('is read without it, and sent with it', () => {
    const row = { natsSubject: 'webhooks.orders', eventTypes: ['order.*'], url: 'https://example.com/{id}' };
    const payload = '\u{feff}{"event":"order.paid","id":7}';
    expect(route([payload, { subject: 'webhooks.orders' }], row)).toMatchObject({
      target: { path: '/7' },
      body: Buffer.from(payload),
    });
  });

  it('has no mark where a template inserts it into JSON', () => {
    const row = { bodyTemplate: '{"payload":{{data}}}' };
    expect(route(['\u{feff}{"id":7}', { subject: 'webhooks.orders' }], row)).toMatchObject({
      body: Buffer.from('{"payload":{"id":7}}'),
    });
  });
});

describe('a message with a URL', () => {
  it('goes to its URL, even if a row matches its subject', () => {
    expect(route([ENVELOPE, { subject: 'webhooks.orders' }], {})).toMatchObject({
      target: { hostname: 'example.com', path: '/hook?token=secret' },
      endpoint: null,
    });
  });
});
