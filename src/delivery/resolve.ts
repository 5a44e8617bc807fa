import { fillRequest, nameOf } from '../core/endpoint/endpoint-request.ts';
import { type Endpoint, type Registry, wants } from '../core/endpoint/registry.ts';
import type { Delivery } from '../core/message/delivery.ts';
import { deliveryId } from '../core/message/delivery-id.ts';
import type { Parsed } from '../core/message/envelope.ts';
import { eventTypesOf } from '../core/request/event-type.ts';
import { completeHeaders } from '../core/request/headers.ts';
import { NO_ENDPOINT_KEY } from '../core/request/target.ts';
import type { Outcome, UnsendableReason } from '../core/retry/attempt.ts';
import { lastToken } from '../core/subject.ts';
import type { Message } from './message.ts';

/** A message that leads to no request, and why. */
export type Unsendable = {
  readonly id: string;
  /** Of the endpoint that it was for; `none` where there is none, or it is not known. */
  readonly endpointKey: string;
  readonly outcome: Extract<
    Outcome,
    { kind: 'refused' | 'unsendable' | 'unwanted' | 'faulted' | 'expired' | 'early' }
  >;
  /** What would have been sent, where only its time kept it from that. */
  readonly intended?: Delivery;
};

/** A message that several endpoints get: a delivery each, with the same id. */
export type FanOut = { readonly id: string; readonly endpointKeys: readonly string[] };

/** The rows of `rule_webhooks`, as they were at some time. */
export type KnownRows = {
  readonly registry: Registry;
  /** When they began to be read, on the clock of `Message.receivedAt`. */
  readonly asOf: number;
};

export function isUnsendable(routed: Delivery | Unsendable): routed is Unsendable {
  return 'outcome' in routed;
}

export function isFanOut(routed: Delivery | Unsendable | FanOut): routed is FanOut {
  return 'endpointKeys' in routed;
}

export function endpointKeyOf(routed: Delivery | Unsendable): string {
  return isUnsendable(routed) ? routed.endpointKey : routed.target.endpointKey;
}

/**
 * Gives a parsed message its id and its endpoint, or those that each get a copy of it.
 *
 * @param rows Null while they have never been read.
 */
export function resolve(
  parsed: Parsed,
  message: Message,
  rows: KnownRows | null,
): Delivery | Unsendable | FanOut {
  const id = deliveryId(message);
  switch (parsed.kind) {
    case 'envelope': {
      const { target, method, headers, body } = parsed;
      return { id, target, method, headers, body, endpoint: null };
    }
    case 'bare':
      return toRegistered(id, parsed.body, message, rows);
    case 'malformed':
      return unsendable(id, NO_ENDPOINT_KEY, 'malformed', parsed.detail);
    case 'forbidden':
      return { id, endpointKey: NO_ENDPOINT_KEY, outcome: { kind: 'refused', detail: parsed.detail } };
  }
}

function toRegistered(
  id: string,
  data: Uint8Array,
  message: Message,
  rows: KnownRows | null,
): Delivery | Unsendable | FanOut {
  // Nobody's fault but ours: it waits until PostgreSQL has answered once.
  if (rows === null) return faulted(id, message, 'REGISTRY_UNKNOWN');
  const found = endpointsOf(message, rows.registry);
  const [first] = found;
  // What waited in an endpoint's queue was wanted when it came.
  const wanting = isOfOneQueue(message) ? found : wantingOf(found, data, message);
  // Where one of several wants this one, it goes behind what that one has still to get.
  const isBehind = message.queue !== null && found.length > 1 && wanting.length > 0;
  if (wanting.length > 1 || isBehind) return { id, endpointKeys: wanting.map(({ key }) => key) };
  if (wanting[0] !== undefined) return toEndpoint(id, wanting[0], data, message);
  // The row that it is for, or what that one wants, may be younger than what we know.
  if (rows.asOf < message.receivedAt) return faulted(id, message, 'REGISTRY_STALE');
  return first === undefined
    ? unsendable(id, queueOf(message), 'unroutable', whyUnroutable(message))
    : unwanted(id, first);
}

/** A copy that waited in an endpoint's queue is that one's. */
function endpointsOf(message: Message, registry: Registry): readonly Endpoint[] {
  if (!isOfOneQueue(message)) return registry.find(message.subject);
  const endpoint = registry.ofQueue(queueOf(message));
  return endpoint === undefined ? [] : [endpoint];
}

function isOfOneQueue(message: Message): boolean {
  return queueOf(message) !== NO_ENDPOINT_KEY;
}

function queueOf({ parkedFor }: Message): string {
  return parkedFor ?? NO_ENDPOINT_KEY;
}

function wantingOf(found: readonly Endpoint[], data: Uint8Array, message: Message): readonly Endpoint[] {
  // To look for its type costs a look at the whole message.
  if (found.every(({ row }) => row.eventTypes === null)) return found;
  const types = eventTypesOf(data, message.header('X-Event-Type'));
  return found.filter(({ row }) => wants(row, types));
}

function unwanted(id: string, { key }: Endpoint): Unsendable {
  const detail = 'no endpoint of its subject has it among its event_types';
  return { id, endpointKey: key, outcome: { kind: 'unwanted', detail } };
}

function faulted(id: string, message: Message, code: string): Unsendable {
  return { id, endpointKey: queueOf(message), outcome: { kind: 'faulted', code } };
}

function toEndpoint(
  id: string,
  endpoint: Endpoint,
  data: Uint8Array,
  message: Message,
): Delivery | Unsendable {
  const { request, key } = endpoint;
  if (request.kind === 'forbidden')
    return { id, endpointKey: key, outcome: { kind: 'refused', detail: request.detail } };
  if (request.kind !== 'request') return unsendable(id, key, request.kind, request.detail);
  const filled = fillRequest(request, id, data, message);
  if ('kind' in filled) return unsendable(id, key, 'malformed', `${nameOf(endpoint.row)}: ${filled.detail}`);
  const { target, body } = filled;
  const headers = completeHeaders(request.headers, message, body !== null);
  if ('kind' in headers) return unsendable(id, key, 'malformed', headers.detail);
  return { id, target, method: request.method, headers, body, endpoint };
}

function whyUnroutable(message: Message): string {
  const { subject } = message;
  if (isOfOneQueue(message)) {
    return (
      `the row of rule_webhooks that it waited for, ${queueOf(message)}, is deleted: register it again under its name, ` +
      'and replay this dead letter'
    );
  }
  return (
    `the message has no webhook_url, and no row of rule_webhooks has nats_subject ${subject} or is named ` +
    `${lastToken(subject)}: add one, SELECT rule_webhook_register('${lastToken(subject)}', 'https://…'), and replay this dead letter`
  );
}

function unsendable(id: string, endpointKey: string, reason: UnsendableReason, detail: string): Unsendable {
  return { id, endpointKey, outcome: { kind: 'unsendable', reason, detail } };
}
