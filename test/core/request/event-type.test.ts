import { describe, expect, it } from 'vitest';
import { takes, takesAll } from '../../../src/core/endpoint/event-filter.ts';
import { eventTypesOf } from '../../../src/core/request/event-type.ts';

describe('the event type', () => {
  it.each([
    ['{"event":"order.paid"}', undefined, ['order.paid']],
    ['{"event_type":"order.paid"}', undefined, ['order.paid']],
    [' \n{"type":"order.paid"}', undefined, ['order.paid']],
    ['{"type":"webhook","x":{"event":"no"},"event":"order.paid"}', undefined, ['order.paid', 'webhook']],
    ['{"event":"order.paid"}', 'refund', ['order.paid', 'refund']],
    ['{"event":{"type":"no"},"type":7,"event_type":null}', undefined, []],
    ['{"type":"caf\\u00e9"}', undefined, ['caf\u00e9']],
    ['["type"]', undefined, []],
    ['{"type":"x"', 'refund', ['refund']],
    ['', undefined, []],
    ['no JSON', '', []],
  ])('of %s with X-Event-Type %s is %j', (payload, header, types) => {
    expect(eventTypesOf(Buffer.from(payload), header)).toEqual(types);
  });
});

describe('the event filter', () => {
  it.each([
    ['order.paid', 'order.paid', true],
    ['order.paid', 'order.paid.twice', false],
    ['order.*', 'order.paid', true],
    ['order.*', 'order.line.added', true],
    ['order.*', 'order', false],
    ['order.*', 'orders.paid', false],
    ['*', '', true],
    ['*', 'anything', true],
    ['*.paid', 'order.paid', true],
    ['*.paid', 'order.paid.no', false],
    ['a*b*c', 'a.b.b.c', true],
    ['a*b*c', 'a.c', false],
    ['ab*bc', 'abc', false],
    ['>', 'anything', true],
    ['>', '', false],
    ['order.>', 'order.line.added', true],
    ['order.>', 'order.', false],
    ['order+', 'order+', true],
    ['order.paid', 'orderXpaid', false],
    ['ORDER_*', 'ORDER_CREATED', true],
  ])('%s accepts %j: %s', (filter, type, expected) => {
    expect(takes(filter, type)).toBe(expected);
  });
});

describe('an event filter that accepts every event, also one without a type', () => {
  it.each([
    ['*', true],
    ['**', true],
    ['>', true],
    ['*>', true],
    ['', false],
    ['order.*', false],
    ['*.*', false],
    ['order.>', false],
    [' * ', false],
    ['>>', false],
  ])('%j: %s', (filter, expected) => {
    expect(takesAll(filter)).toBe(expected);
  });
});
