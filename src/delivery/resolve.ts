import type { Outcome, UnsendableReason } from '../core/attempt.ts';
import type { Delivery } from '../core/delivery.ts';
import { deliveryId } from '../core/delivery-id.ts';
import type { Parsed } from '../core/envelope.ts';
import { completeHeaders } from '../core/headers.ts';
import type { Endpoint, Registry } from '../core/registry.ts';
import { lastToken } from '../core/subject.ts';
import type { Message } from './message.ts';

/** A message that leads to no request, and why. */
export type Unsendable = {
  readonly id: string;
  readonly outcome: Extract<Outcome, { kind: 'refused' | 'unsendable' | 'faulted' }>;
};

export function isUnsendable(routed: Delivery | Unsendable): routed is Unsendable {
  return 'outcome' in routed;
}

/**
 * Gives a parsed message its id and its endpoint.
 *
 * @param registry The rows of `rule_webhooks`; null while they have never been read.
 */
export function resolve(parsed: Parsed, message: Message, registry: Registry | null): Delivery | Unsendable {
  const id = deliveryId(message);
  switch (parsed.kind) {
    case 'envelope': {
      const { target, method, headers, body } = parsed;
      return { id, target, method, headers, body, endpoint: null };
    }
    case 'bare': {
      // Nobody's fault but ours: it waits until PostgreSQL has answered once.
      if (registry === null) return { id, outcome: { kind: 'faulted', code: 'REGISTRY_UNKNOWN' } };
      const [endpoint] = endpointsOf(message, registry);
      return endpoint === undefined
        ? unroutable(id, message)
        : toEndpoint(id, endpoint, parsed.body, message);
    }
    case 'malformed':
      return unsendable(id, 'malformed', parsed.detail);
    case 'forbidden':
      return { id, outcome: { kind: 'refused', detail: parsed.detail } };
  }
}

/** A copy that waited in an endpoint's queue is that one's, as long as it is there. */
function endpointsOf(message: Message, registry: Registry): readonly Endpoint[] {
  const parkedFor = message.parkedFor === null ? undefined : registry.ofQueue(message.parkedFor);
  return parkedFor === undefined ? registry.find(message.subject) : [parkedFor];
}

function toEndpoint(
  id: string,
  endpoint: Endpoint,
  data: Uint8Array,
  message: Message,
): Delivery | Unsendable {
  const { request } = endpoint;
  if (request.kind === 'forbidden') return { id, outcome: { kind: 'refused', detail: request.detail } };
  if (request.kind !== 'request') return unsendable(id, request.kind, request.detail);
  const { target, method } = request;
  const body = method === 'GET' ? null : data;
  const headers = completeHeaders(request.headers, message, body !== null);
  if ('kind' in headers) return unsendable(id, 'malformed', headers.detail);
  return { id, target, method, headers, body, endpoint };
}

function unroutable(id: string, { subject }: Message): Unsendable {
  return unsendable(
    id,
    'unroutable',
    `the message has no webhook_url, and no row of rule_webhooks has nats_subject ${subject} or is named ` +
      `${lastToken(subject)}: add one, SELECT rule_webhook_register('${lastToken(subject)}', 'https://…')`,
  );
}

function unsendable(id: string, reason: UnsendableReason, detail: string): Unsendable {
  return { id, outcome: { kind: 'unsendable', reason, detail } };
}
