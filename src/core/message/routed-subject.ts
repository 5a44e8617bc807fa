import { isPublishable } from '../subject.ts';
import { Header } from './nats-headers.ts';

type Routed = {
  readonly subject: string;
  /** Null: the message is delivered in any order. */
  readonly orderingKey: string | null;
  header(name: string): string | undefined;
};

/** The default subjects of ordered webhooks. */
const ORDERED = /(?:^|\.)ordered\.[^.]+$/;

/**
 * The name that an ordered message was published under, beside its ordering key; null if it has none. On any other message, the
 * header has no meaning: the subject says the name, and rights to publish to a subject are rights to publish under a name.
 */
export function webhookNameIn(message: Routed): string | null {
  if (message.orderingKey === null && !ORDERED.test(message.subject)) return null;
  return message.header(Header.webhookName)?.trim() || null;
}

/**
 * The subject whose rows a message goes to: where it was published. Of an ordered message with `Webhook-Name`, the subject that it
 * would have without an ordering key: `webhooks.orders` for `webhooks.ordered.customer-17` with the name `orders`.
 *
 * @returns Null if no subject can have this name.
 */
export function routedSubject(message: Routed): string | null {
  const name = webhookNameIn(message);
  if (name === null) return message.subject;
  const before = message.subject.split('.').slice(0, ORDERED.test(message.subject) ? -2 : -1);
  const routed = [...before, name].join('.');
  return isPublishable(routed) ? routed : null;
}
