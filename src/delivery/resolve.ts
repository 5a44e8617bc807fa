import { fillRequest, nameOf } from '../core/endpoint/endpoint-request.ts';
import { acceptsEvent, type Endpoint, type Registry } from '../core/endpoint/registry.ts';
import type { Delivery } from '../core/message/delivery.ts';
import { deliveryId } from '../core/message/delivery-id.ts';
import type { ParsedMessage } from '../core/message/envelope.ts';
import { Header } from '../core/message/nats-headers.ts';
import { eventTypesOf } from '../core/request/event-type.ts';
import { completeHeaders } from '../core/request/headers.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import type { Outcome, UndeliverableReason } from '../core/retry/attempt.ts';
import { lastToken } from '../core/subject.ts';
import type { Message } from './message.ts';

/** A message that leads to no request, and why. */
export type Undeliverable = {
  readonly id: string;
  /** Of the endpoint that it was for; `none` where there is none, or it is not known. */
  readonly endpointKey: string;
  readonly outcome: Extract<
    Outcome,
    { kind: 'blocked' | 'undeliverable' | 'filtered' | 'localFault' | 'expired' | 'notDue' }
  >;
  /** What would have been sent, where only its time kept it from that. */
  readonly intended?: Delivery;
};

/** A message that several endpoints get: a delivery each, with the same id. */
export type FanOut = { readonly id: string; readonly endpointKeys: readonly string[] };

/** The rows of `rule_webhooks`, as they were at some time. */
export type RegistrySnapshot = {
  readonly registry: Registry;
  /** When they began to be read, on the clock of `Message.receivedAt`. */
  readonly asOf: number;
};

export function isUndeliverable(routed: Delivery | Undeliverable): routed is Undeliverable {
  return 'outcome' in routed;
}

export function isFanOut(routed: Delivery | Undeliverable | FanOut): routed is FanOut {
  return 'endpointKeys' in routed;
}

export function endpointKeyOf(routed: Delivery | Undeliverable): string {
  return isUndeliverable(routed) ? routed.endpointKey : routed.target.endpointKey;
}

/**
 * Gives a parsed message its id and its endpoint, or those that each get a copy of it.
 *
 * @param rows Null while they have never been read.
 */
export function resolve(
  parsed: ParsedMessage,
  message: Message,
  registry: RegistrySnapshot | null,
): Delivery | Undeliverable | FanOut {
  const id = deliveryId(message);
  switch (parsed.kind) {
    case 'envelope': {
      const { target, method, headers, body } = parsed;
      return { id, target, method, headers, body, endpoint: null };
    }
    case 'bare':
      return toRegistered(id, parsed.body, message, registry);
    case 'malformed':
      return undeliverable(id, NO_ENDPOINT_KEY, 'malformed', parsed.detail);
    case 'forbidden':
      return { id, endpointKey: NO_ENDPOINT_KEY, outcome: { kind: 'blocked', detail: parsed.detail } };
  }
}

function toRegistered(
  id: string,
  data: Uint8Array,
  message: Message,
  registry: RegistrySnapshot | null,
): Delivery | Undeliverable | FanOut {
  // Nobody's fault but ours: it waits until PostgreSQL has answered once.
  if (registry === null) return localFault(id, message, 'REGISTRY_UNKNOWN');
  const found = endpointsOf(message, registry.registry);
  const [first] = found;
  // What waited in an endpoint's queue was wanted when it came.
  const accepting = hasParkedEndpoint(message) ? found : acceptingOf(found, data, message);
  // Where one of several wants this one, it goes behind what that one has still to get.
  const isBehind = message.orderingKey !== null && found.length > 1 && accepting.length > 0;
  if (accepting.length > 1 || isBehind) return { id, endpointKeys: accepting.map(({ key }) => key) };
  if (accepting[0] !== undefined) return toEndpoint(id, accepting[0], data, message);
  // The row that it is for, or what that one wants, may be younger than what we know.
  if (registry.asOf < message.receivedAt) return localFault(id, message, 'REGISTRY_STALE');
  return first === undefined
    ? undeliverable(id, endpointKeyIn(message), 'unroutable', whyUnroutable(message))
    : filtered(id, first);
}

/** A copy that waited in an endpoint's queue is that one's. */
function endpointsOf(message: Message, registry: Registry): readonly Endpoint[] {
  if (!hasParkedEndpoint(message)) return registry.find(message.subject);
  const endpoint = registry.byQueueKey(endpointKeyIn(message));
  return endpoint === undefined ? [] : [endpoint];
}

function hasParkedEndpoint(message: Message): boolean {
  return endpointKeyIn(message) !== NO_ENDPOINT_KEY;
}

function endpointKeyIn({ parkedEndpointKey }: Message): string {
  return parkedEndpointKey ?? NO_ENDPOINT_KEY;
}

function acceptingOf(found: readonly Endpoint[], data: Uint8Array, message: Message): readonly Endpoint[] {
  // To look for its type costs a look at the whole message.
  if (found.every(({ row }) => row.eventTypes === null)) return found;
  const types = eventTypesOf(data, message.header(Header.eventType));
  return found.filter(({ row }) => acceptsEvent(row, types));
}

function filtered(id: string, { key }: Endpoint): Undeliverable {
  const detail = 'no endpoint of its subject has it among its event_types';
  return { id, endpointKey: key, outcome: { kind: 'filtered', detail } };
}

function localFault(id: string, message: Message, code: string): Undeliverable {
  return { id, endpointKey: endpointKeyIn(message), outcome: { kind: 'localFault', code } };
}

function toEndpoint(
  id: string,
  endpoint: Endpoint,
  data: Uint8Array,
  message: Message,
): Delivery | Undeliverable {
  const { request, key } = endpoint;
  if (request.kind === 'forbidden')
    return { id, endpointKey: key, outcome: { kind: 'blocked', detail: request.detail } };
  if (request.kind !== 'request') return undeliverable(id, key, request.kind, request.detail);
  const filled = fillRequest(request, id, data, message);
  if ('kind' in filled)
    return undeliverable(id, key, 'malformed', `${nameOf(endpoint.row)}: ${filled.detail}`);
  const { target, body } = filled;
  const headers = completeHeaders(request.headers, message, body !== null);
  if ('kind' in headers) return undeliverable(id, key, 'malformed', headers.detail);
  return { id, target, method: request.method, headers, body, endpoint };
}

function whyUnroutable(message: Message): string {
  const { subject } = message;
  if (hasParkedEndpoint(message)) {
    return (
      `the row of rule_webhooks that it waited for, ${endpointKeyIn(message)}, is deleted: register it again under its name, ` +
      'and replay this dead letter'
    );
  }
  return (
    `the message has no webhook_url, and no row of rule_webhooks has nats_subject ${subject} or is named ` +
    `${lastToken(subject)}: add one, SELECT rule_webhook_register('${lastToken(subject)}', 'https://…'), and replay this dead letter`
  );
}

function undeliverable(
  id: string,
  endpointKey: string,
  reason: UndeliverableReason,
  detail: string,
): Undeliverable {
  return { id, endpointKey, outcome: { kind: 'undeliverable', reason, detail } };
}
