import { describe, expect, it } from 'vitest';
import { routedSubject, webhookNameIn } from '../../../src/core/message/routed-subject.ts';

/** As a class with a private field, like the message of NATS: its method needs its `this`. */
class Given {
  readonly subject: string;
  readonly orderingKey: string | null;
  readonly #name: string | undefined;

  constructor(subject: string, orderingKey: string | null, name: string | undefined) {
    this.subject = subject;
    this.orderingKey = orderingKey;
    this.#name = name;
  }

  header(name: string): string | undefined {
    return name === 'Webhook-Name' ? this.#name : undefined;
  }
}

describe('the subject whose rows a message goes to', () => {
  it.each([
    ['webhooks.ordered.k', 'webhooks.ordered.k', undefined, 'webhooks.ordered.k'],
    ['webhooks.ordered.k', 'webhooks.ordered.k', 'orders', 'webhooks.orders'],
    ['a.b.ordered.k', 'a.b.ordered.k', 'orders', 'a.b.orders'],
    ['ordered.k', 'ordered.k', 'orders', 'orders'],
    ['of a copy, the original one', 'ordered.WEBHOOKS.webhooks.ordered.k.key', 'orders', 'orders'],
    ['shop.customer-1', 'shop.customer-1', 'orders', 'shop.orders'],
    ['webhooks.ordered.k', 'webhooks.ordered.k', 'eu.orders', 'webhooks.eu.orders'],
    ['webhooks.ordered.k', null, 'orders', 'webhooks.orders'],
    ['webhooks.other', null, 'orders', 'webhooks.other'],
    ['webhooks.ordered', null, 'orders', 'webhooks.ordered'],
    ['webhooks.ordered.k', 'webhooks.ordered.k', ' ', 'webhooks.ordered.k'],
    ['webhooks.ordered.k', 'webhooks.ordered.k', '*', null],
    ['webhooks.ordered.k', 'webhooks.ordered.k', 'a b', null],
    ['webhooks.ordered.k', 'webhooks.ordered.k', 'a..b', null],
    ['webhooks.ordered.k', 'webhooks.ordered.k', '>', null],
  ])('%s (in the queue %s) with the name %s: %s', (subject, orderingKey, name, expected) => {
    expect(routedSubject(new Given(subject, orderingKey, name))).toBe(expected);
  });

  it('names the webhook only where the subject is an ordering key', () => {
    expect(webhookNameIn(new Given('webhooks.ordered.k', 'webhooks.ordered.k', 'orders'))).toBe('orders');
    expect(webhookNameIn(new Given('webhooks.other', null, 'orders'))).toBeNull();
  });
});
