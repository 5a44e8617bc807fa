import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deliveryId } from '../../../src/core/message/delivery-id.ts';

function idOf(headers: Record<string, string>): string {
  const position = { stream: 'WEBHOOKS', streamCreatedAt: 1_700_000_000_000, sequence: 42 };
  return deliveryId({ ...position, header: (name) => headers[name] });
}

describe('the id of a delivery', () => {
  it.each([
    ['Webhook-Delivery-Id', { 'Webhook-Delivery-Id': 'mine-1', 'Nats-Msg-Id': 'msg-1' }, 'mine-1'],
    ['Nats-Msg-Id', { 'Nats-Msg-Id': 'msg-1' }, 'msg-1'],
    ['Nats-Msg-Id', { 'Webhook-Delivery-Id': '', 'Nats-Msg-Id': ' msg-1 ' }, 'msg-1'],
    ['the position in the stream', {}, 'WEBHOOKS-loyw3v28-42'],
    ['the position in the stream', { 'Webhook-Delivery-Id': ' ', 'Nats-Msg-Id': '' }, 'WEBHOOKS-loyw3v28-42'],
  ])('is taken from %s', (_, headers, id) => {
    expect(idOf(headers)).toBe(id);
  });

  it.each([
    ['order.1', /^order_1-[0-9a-f]{16}$/],
    ['a b\tc', /^a_b_c-[0-9a-f]{16}$/],
    ['é😀', /^__-[0-9a-f]{16}$/],
    ['a\r\nX: 1', /^a__X:_1-[0-9a-f]{16}$/],
  ])('ends in a hash if a character had to be replaced: %j', (given, id) => {
    expect(idOf({ 'Nats-Msg-Id': given })).toMatch(id);
  });

  it('is kept whole up to 255 characters', () => {
    expect(idOf({ 'Nats-Msg-Id': 'x'.repeat(255) })).toBe('x'.repeat(255));
  });

  it('is cut, and ends in a hash, beyond 255 characters', () => {
    expect(idOf({ 'Nats-Msg-Id': 'x'.repeat(256) })).toMatch(/^x{238}-[0-9a-f]{16}$/);
  });

  it('is visible ASCII without a dot, 1 to 255 characters, for any header', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (given) => {
        expect(idOf({ 'Nats-Msg-Id': given })).toMatch(/^[\x21-\x2d\x2f-\x7e]{1,255}$/);
      }),
    );
  });

  it('differs for different headers', () => {
    const given = fc
      .oneof(
        fc.string({ unit: fc.constantFrom('.', '_', ' ', 'é', 'è', '-', 'a') }),
        fc.string({ minLength: 250, maxLength: 300 }),
      )
      .filter((text) => text.trim() !== '');
    fc.assert(
      fc.property(given, given, (one, other) => {
        const same = one.trim() === other.trim();
        expect(idOf({ 'Nats-Msg-Id': one }) === idOf({ 'Nats-Msg-Id': other })).toBe(same);
      }),
    );
  });
});
