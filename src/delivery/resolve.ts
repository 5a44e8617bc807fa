import type { Outcome } from '../core/attempt.ts';
import type { Delivery } from '../core/delivery.ts';
import { deliveryId } from '../core/delivery-id.ts';
import type { Parsed } from '../core/envelope.ts';
import type { Message } from './message.ts';

/** A message that leads to no request, and why. */
export type Unsendable = {
  readonly id: string;
  readonly outcome: Extract<Outcome, { kind: 'refused' | 'unsendable' }>;
};

export function isUnsendable(routed: Delivery | Unsendable): routed is Unsendable {
  return 'outcome' in routed;
}

/** Gives a parsed message its id and its endpoint. */
export function resolve(parsed: Parsed, message: Message): Delivery | Unsendable {
  const id = deliveryId(message);
  switch (parsed.kind) {
    case 'envelope': {
      const { target, method, headers, body } = parsed;
      return { id, target, method, headers, body };
    }
    case 'bare':
      return unsendable(
        id,
        'unroutable',
        `the message has no webhook_url, and there is no endpoint for ${message.subject}: publish ` +
          '{"webhook_url": "https://…", "data": …}',
      );
    case 'malformed':
      return unsendable(id, 'malformed', parsed.detail);
    case 'forbidden':
      return { id, outcome: { kind: 'refused', detail: parsed.detail } };
  }
}

function unsendable(id: string, reason: 'malformed' | 'unroutable', detail: string): Unsendable {
  return { id, outcome: { kind: 'unsendable', reason, detail } };
}
