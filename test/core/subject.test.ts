import { describe, expect, it } from 'vitest';
import { lastToken, matches } from '../../src/core/subject.ts';

describe('a subject', () => {
  it.each([
    ['webhooks.orders', 'webhooks.orders', true],
    ['webhooks.orders', 'webhooks.order', false],
    ['webhooks.*', 'webhooks.orders', true],
    ['webhooks.*', 'webhooks.orders.eu', false],
    ['webhooks.*', 'webhooks', false],
    ['webhooks.*.eu', 'webhooks.orders.eu', true],
    ['webhooks.>', 'webhooks.orders.eu', true],
    ['webhooks.>', 'webhooks', false],
    ['>', 'webhooks', true],
    ['*.orders', 'webhooks.orders', true],
    ['webhooks.orders.eu', 'webhooks.orders', false],
    ['webhooks.o*', 'webhooks.orders', false],
  ])('is matched by the pattern %s if it is %s: %s', (pattern, subject, expected) => {
    expect(matches(pattern, subject)).toBe(expected);
  });

  it('has a last token', () => {
    expect([lastToken('webhooks.orders'), lastToken('webhooks')]).toEqual(['orders', 'webhooks']);
  });
});
