import { describe, expect, it } from 'vitest';
import { endpointOf } from '../../../src/core/endpoint/endpoint.ts';
import { Registry } from '../../../src/core/endpoint/registry.ts';
import type { EndpointRow } from '../../../src/core/endpoint/row.ts';
import { registeredRow } from './registered-row.ts';

const RETRIES = {
  maxAttempts: 7,
  terminalStatuses: new Set<number>(),
  backoff: { baseMs: 1, maxMs: 60_000, multiplier: 2, retryAfterMaxMs: 5000 },
};
const endpoint = (row: Partial<EndpointRow> = {}, disabled: 'park' | 'dead-letter' = 'park') =>
  endpointOf(registeredRow(row), { retries: RETRIES, disabled });

describe('a row of rule_webhooks', () => {
  it('sets the retries, and the settings are the default of its empty columns', () => {
    expect(endpoint({ maxAttempts: 4, retryDelayMs: 500, retryMultiplier: 3 }).policy).toEqual({
      ...RETRIES,
      maxAttempts: 4,
      backoff: { baseMs: 500, maxMs: 60_000, multiplier: 3, retryAfterMaxMs: 5000 },
    });
  });

  it('has its own endpoint key, which does not depend on its URL', () => {
    const [one, other] = [endpoint({ id: 1 }), endpoint({ id: 2 })];
    expect(one.key).toMatch(/^orders-[0-9a-f]{8}$/);
    expect(one.key).not.toBe(other.key);
    expect(one.request).toMatchObject({ kind: 'request', target: { endpointKey: one.key } });
    expect(endpoint({ id: 1, url: 'https://other.example/' }).key).toBe(one.key);
  });

  it.each<[string, Partial<EndpointRow>, string, RegExp]>([
    ['an invalid URL', { url: 'nonsense' }, 'malformed', /"orders": url is not an http/],
    ['a password in its URL', { url: 'https://u:p@a.example/' }, 'forbidden', /user name or password/],
    [
      'a header that HTTP does not allow',
      { headers: { 'a b': 'x' } },
      'malformed',
      /not a valid header name/,
    ],
    ['an unknown method', { method: 'BREW' }, 'malformed', /method is not one of/],
    [
      'a placeholder in its host',
      { url: 'https://{tenant}.example/' },
      'malformed',
      /url has the placeholder \{tenant\}/,
    ],
    ['params that are not scalars', { params: '{"a": {}}' }, 'malformed', /param "a" is not a string/],
    [
      'a template that is not JSON',
      { bodyTemplate: '{' },
      'malformed',
      /"orders": body_template is not JSON/,
    ],
    ['a template for a GET', { method: 'GET', bodyTemplate: '{}' }, 'malformed', /a GET has no body/],
    [
      'a problem that was found when the row was read',
      { problem: 'url is empty' },
      'malformed',
      /"orders": url is empty/,
    ],
  ])('with %s gets no requests, and the reason names the error', (_what, row, kind, detail) => {
    expect(endpoint(row).request).toMatchObject({ kind, detail: expect.stringMatching(detail) });
  });

  it('that is disabled parks or dead-letters its messages, as DISABLED_ENDPOINT says', () => {
    const row = { enabled: false, disabledReason: 'it answered 410 Gone' };
    expect(endpoint(row, 'park').request.kind).toBe('request');
    expect(endpoint(row, 'dead-letter').request).toMatchObject({
      kind: 'disabled',
      detail: expect.stringContaining('it answered 410 Gone'),
    });
  });

  it('has one endpoint key, whatever values the placeholders of its URL get', () => {
    const { key, request } = endpoint({ url: 'https://a.example/{id}' });
    expect(request).toMatchObject({ target: { endpointKey: key }, url: { target: { endpointKey: key } } });
  });

  it('may have its method in lower case', () => {
    expect(endpoint({ method: 'put' }).request).toMatchObject({ method: 'PUT' });
  });
});

describe('the registry', () => {
  const registry = new Registry(
    [
      { id: 1, name: 'orders', natsSubject: null },
      { id: 2, name: 'exact', natsSubject: 'webhooks.invoices' },
      { id: 3, name: 'wild', natsSubject: 'webhooks.invoices.*' },
      { id: 4, name: 'all', natsSubject: 'events.>' },
      { id: 5, name: 'again', natsSubject: 'webhooks.invoices' },
    ].map((row) => endpoint(row)),
  );

  it.each([
    ['webhooks.orders', ['orders']],
    ['webhooks.invoices', ['exact', 'again']],
    ['webhooks.invoices.eu', ['wild']],
    ['events.a.b', ['all']],
    ['webhooks.wild', ['wild']],
    ['webhooks.nobody', []],
  ])('routes %s to %j', (subject, names) => {
    expect(registry.find(subject).map(({ row }) => row.name)).toEqual(names);
  });

  it('finds the endpoint of a parked queue by its key', () => {
    const [orders] = registry.find('webhooks.orders');
    expect(registry.byKey(orders!.key)).toBe(orders);
    expect(registry.byQueueKey(orders!.key)).toBe(orders);
  });

  it('finds the endpoint of a parked queue after the endpoint was renamed', () => {
    const before = endpoint({ id: 5, name: 'former-name', natsSubject: 'webhooks.invoices' });
    expect(registry.byQueueKey(before.key)?.row.name).toBe('again');
    expect(registry.byQueueKey('none')).toBeUndefined();
  });
});

describe('the registry of many rows', () => {
  /** Rows 4978 and 16399 have the same digits in their keys. */
  const TWINS = [4978, 16_399] as const;
  const names = (found: readonly { row: EndpointRow }[]) => found.map(({ row }) => row.name);

  it('tells two rows with the same digits apart by their ids, also after one was renamed', () => {
    const before = TWINS.map((id) => endpoint({ id, name: `before-${id}` }));
    expect(before[0]!.digits).toBe(before[1]!.digits);
    const registry = new Registry(TWINS.map((id) => endpoint({ id, name: `after-${id}` })));
    expect(registry.byQueueKey(before[0]!.key, TWINS[0])?.row.id).toBe(TWINS[0]);
    expect(registry.byQueueKey(before[1]!.key, TWINS[1])?.row.id).toBe(TWINS[1]);
    // A copy of an older worker does not say which of them it is for.
    expect(registry.byQueueKey(before[0]!.key)).toBeUndefined();
  });

  it('never takes another row with the same digits for a deleted one', () => {
    const [deleted, other] = TWINS.map((id) => endpoint({ id, name: `row-${id}` }));
    const registry = new Registry([other!]);
    expect(registry.byQueueKey(deleted!.key, TWINS[0])).toBeUndefined();
  });

  it.each([[TWINS], [TWINS.toReversed()]])('gives rows %j with the same key a key of their own', (ids) => {
    const registry = new Registry(ids.map((id) => endpoint({ id, name: id === TWINS[0] ? 'é' : 'ü' })));
    const keys = TWINS.map((id) => registry.byId(id)!.key);
    expect(keys).toEqual(['--ffc064f7', '--ffc064f7-id16399']);
    expect(keys.map((key) => registry.byKey(key)?.row.id)).toEqual(TWINS);
    expect(keys.map((key) => registry.byQueueKey(key)?.row.id)).toEqual(TWINS);
  });

  it('finds a row registered again by the name in the key, unless two names look alike there', () => {
    const registry = new Registry([
      endpoint({ id: 10, name: 'Orders' }),
      endpoint({ id: 11, name: 'orders' }),
      endpoint({ id: 12, name: 'In voices' }),
    ]);
    expect(registry.byQueueKey('orders-00000000', 9)).toBeUndefined();
    expect(registry.byQueueKey('in-voices-00000000', 9)?.row.id).toBe(12);
  });

  it('follows a changed, a renamed and a deleted row', () => {
    const registry = new Registry([
      endpoint({ id: 1, name: 'a', natsSubject: 'x.*' }),
      endpoint({ id: 2, name: 'b', natsSubject: 'x.1' }),
      endpoint({ id: 3, name: 'c', maxConcurrency: 1 }),
    ]);
    expect([registry.size, registry.hasLimits]).toEqual([3, true]);
    registry.put(endpoint({ id: 1, name: 'a', natsSubject: 'x.2' }));
    registry.put(endpoint({ id: 3, name: 'C' }));
    expect(names(registry.find('x.1'))).toEqual(['b']);
    expect(names(registry.find('x.2'))).toEqual(['a']);
    expect([names(registry.find('x.c')), names(registry.find('x.C'))]).toEqual([[], ['C']]);
    expect(registry.delete(2)?.row.name).toBe('b');
    expect(registry.delete(2)).toBeUndefined();
    expect([names(registry.find('x.1')), registry.size, registry.hasLimits]).toEqual([[], 2, false]);
  });

  it('follows two rows that swap their names', () => {
    const registry = new Registry([endpoint({ id: 1, name: 'a' }), endpoint({ id: 2, name: 'b' })]);
    registry.put(endpoint({ id: 1, name: 'b' }));
    registry.put(endpoint({ id: 2, name: 'a' }));
    expect(registry.find('x.a')[0]?.row.id).toBe(2);
    expect(registry.find('x.b')[0]?.row.id).toBe(1);
  });

  it('keeps the rows of one subject in the order of their ids, in whatever order they change', () => {
    const ids = [5, 3, 4, 1, 2];
    const registry = new Registry(ids.map((id) => endpoint({ id, name: `n${id}`, natsSubject: 'x.y' })));
    registry.put(endpoint({ id: 2, name: 'n2', natsSubject: 'x.*' }));
    expect(names(registry.find('x.y'))).toEqual(['n1', 'n3', 'n4', 'n5', 'n2']);
  });
});
