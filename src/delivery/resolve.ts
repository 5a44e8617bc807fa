import type { Endpoint } from '../core/endpoint/endpoint.ts';
import { fillRequest, nameOf } from '../core/endpoint/endpoint-request.ts';
import type { Registry } from '../core/endpoint/registry.ts';
import type { Delivery } from '../core/message/delivery.ts';
import { deliveryId } from '../core/message/delivery-id.ts';
import type { BarePayload, ParsedMessage } from '../core/message/envelope.ts';
import { Header } from '../core/message/nats-headers.ts';
import { routedSubject } from '../core/message/routed-subject.ts';
import { RequestHeader } from '../core/request/header-names.ts';
import { completeHeaders, quoted, withMoreHeaders } from '../core/request/headers.ts';
import { NO_ENDPOINT_KEY, type Target } from '../core/request/target.ts';
import type { Outcome, UndeliverableReason } from '../core/retry/attempt.ts';
import {
  decideEvent,
  decideParkedEvent,
  EVERY_EVENT,
  type EventDecision,
  whyUndecided,
} from './event-types.ts';
import type { Message } from './message.ts';
import { whyUnroutable } from './unroutable.ts';

/** A message that leads to no request, and why. */
export type Undeliverable = {
  readonly id: string;
  /** Key of the endpoint; `none` if there is no endpoint, or it is not known. */
  readonly endpointKey: string;
  /** `webhook_id` of the row of `rule_webhooks`; null: there is no row, or it is not known. */
  readonly webhookId: number | null;
  readonly outcome: Extract<
    Outcome,
    {
      kind:
        | 'blocked'
        | 'held'
        | 'undeliverable'
        | 'filtered'
        | 'deleteMarker'
        | 'localFault'
        | 'expired'
        | 'notDue';
    }
  >;
  /** The request that would have been sent, if only the time of the message prevents it. */
  readonly intended?: Delivery;
};

/** A message for several endpoints: one delivery per endpoint, all with the same id. */
export type FanOut = {
  readonly id: string;
  readonly endpointKeys: readonly string[];
  /** `webhook_id` of the row of each of these endpoints. */
  readonly webhookIds: readonly number[];
};

/** The rows of `rule_webhooks` at one time. */
export type RegistrySnapshot = {
  readonly registry: Registry;
  /** When their read began, on the clock of `Message.receivedAt`. */
  readonly asOf: number;
};

/** The target with the key of its endpoint now. `parkedKey`: of the parked queue that held the message; null: none. */
export type TargetFor = (target: Target, parkedKey: string | null) => Target;

export function isUndeliverable(routed: Delivery | Undeliverable): routed is Undeliverable {
  return 'outcome' in routed;
}

export function isFanOut(routed: Delivery | Undeliverable | FanOut): routed is FanOut {
  return 'endpointKeys' in routed;
}

/**
 * Finds the delivery id and the endpoint of a parsed message, or the endpoints of a fan-out.
 *
 * @param registry Null while the rows of `rule_webhooks` have never been read.
 * @param targetFor For a message that names its URL.
 */
export function resolve(
  parsed: ParsedMessage,
  message: Message,
  registry: RegistrySnapshot | null,
  targetFor: TargetFor,
): Delivery | Undeliverable | FanOut {
  const id = deliveryId(message);
  switch (parsed.kind) {
    case 'envelope': {
      const { method, headers, body } = parsed;
      const target = targetFor(parsed.target, message.parkedEndpointKey);
      return { id, target, method, headers, body, endpoint: null };
    }
    case 'bare':
      return toRegistered(id, parsed, message, registry);
    case 'malformed':
      return undeliverable(id, NO_ENDPOINT, 'malformed', parsed.detail);
    case 'forbidden':
      return { id, ...NO_ENDPOINT, outcome: { kind: 'blocked', detail: parsed.detail } };
  }
}

function toRegistered(
  id: string,
  payload: BarePayload,
  message: Message,
  registry: RegistrySnapshot | null,
): Delivery | Undeliverable | FanOut {
  const subject = routedSubject(message);
  if (subject === null) return undeliverable(id, NO_ENDPOINT, 'malformed', WRONG_NAME);
  // A fault of this worker: the message waits until PostgreSQL has answered once.
  if (registry === null) return localFault(id, message, 'REGISTRY_UNKNOWN');
  const endpointId = payload.parameters?.endpointId ?? null;
  const found = endpointsOf(message, endpointId, subject, registry.registry);
  const [first] = found;
  const event = decisionFor(payload, message, found);
  // An endpoint that cannot decide gets its copy, too: the copy becomes the dead letter of this endpoint.
  const concerned = found.filter((endpoint) => event.of(endpoint) !== 'filtered');
  // If only one of several endpoints accepts an ordered message, a copy keeps it behind the earlier copies for that endpoint.
  const isBehind = message.orderingKey !== null && found.length > 1 && concerned.length > 0;
  if (concerned.length > 1 || isBehind) {
    return {
      id,
      endpointKeys: concerned.map(({ key }) => key),
      webhookIds: concerned.map(({ row }) => row.id),
    };
  }
  const [only] = concerned;
  const isDecided = only !== undefined && event.of(only) === 'accepted';
  if (isDecided) return toEndpoint(id, only, payload, message);
  // The row of the message, or its event_types, may be newer than the last read.
  if (registry.asOf < message.receivedAt) return localFault(id, message, 'REGISTRY_STALE');
  if (only !== undefined)
    return undeliverable(id, identityOf(only), 'malformed', whyUndecided(payload, only));
  if (first !== undefined) return filtered(id, first, event.types);
  const identity = { endpointKey: endpointKeyIn(message), webhookId: endpointId ?? message.webhookId };
  const parkedFor = hasParkedEndpoint(message) ? identity.endpointKey : null;
  return undeliverable(id, identity, 'unroutable', whyUnroutable(subject, parkedFor, endpointId));
}

/**
 * A directed message goes to its row and to no other, also from a parked queue, whose row may have been deleted and registered again.
 * Any other parked copy belongs to the endpoint of its queue.
 */
function endpointsOf(
  message: Message,
  endpointId: number | null,
  subject: string,
  registry: Registry,
): readonly Endpoint[] {
  if (endpointId === null && !hasParkedEndpoint(message)) return registry.find(subject);
  const endpoint =
    endpointId !== null
      ? registry.byId(endpointId)
      : registry.byQueueKey(endpointKeyIn(message), message.webhookId);
  return endpoint === undefined ? [] : [endpoint];
}

/** `event_types` choose among the rows of a subject. The publisher of a directed message has chosen its row. */
function decisionFor(payload: BarePayload, message: Message, found: readonly Endpoint[]): EventDecision {
  if (payload.parameters != null && payload.parameters.endpointId !== null) return EVERY_EVENT;
  return (hasParkedEndpoint(message) ? decideParkedEvent : decideEvent)(payload, message, found);
}

function hasParkedEndpoint(message: Message): boolean {
  return endpointKeyIn(message) !== NO_ENDPOINT_KEY;
}

function endpointKeyIn({ parkedEndpointKey }: Message): string {
  return parkedEndpointKey ?? NO_ENDPOINT_KEY;
}

/** How an endpoint is identified: by its row, and for older workers by its key. */
type Identity = Pick<Undeliverable, 'endpointKey' | 'webhookId'>;

const WRONG_NAME = `the NATS header ${Header.webhookName} is not a name: give tokens of a subject, without white space and wildcards`;

const NO_ENDPOINT: Identity = { endpointKey: NO_ENDPOINT_KEY, webhookId: null };

function identityOf({ key, row }: Endpoint): Identity {
  return { endpointKey: key, webhookId: row.id };
}

function identityIn(message: Message): Identity {
  return { endpointKey: endpointKeyIn(message), webhookId: message.webhookId };
}

function filtered(id: string, endpoint: Endpoint, types: readonly string[]): Undeliverable {
  const type = types.length === 0 ? 'no event type' : `the event type ${types.map(quoted).join(' or ')}`;
  const detail = `the message has ${type}, which no row that matches its subject has in its event_types`;
  return { id, ...identityOf(endpoint), outcome: { kind: 'filtered', detail } };
}

function localFault(id: string, message: Message, code: string): Undeliverable {
  return { id, ...identityIn(message), outcome: { kind: 'localFault', code } };
}

function toEndpoint(
  id: string,
  endpoint: Endpoint,
  { body: data, parameters, eventType }: BarePayload,
  message: Message,
): Delivery | Undeliverable {
  const { request } = endpoint;
  const identity = identityOf(endpoint);
  if (request.kind === 'disabled') return undeliverable(id, identity, 'disabled', request.detail);
  // The row is wrong. Its messages wait until an operator mends it: the limits pause its parked queue until then.
  if (request.kind !== 'request')
    return { id, ...identity, outcome: { kind: 'held', detail: request.detail } };
  const filled = fillRequest(request, id, data, message, parameters?.params);
  if ('kind' in filled)
    return undeliverable(id, identity, 'malformed', `${nameOf(endpoint.row)}: ${filled.detail}`);
  const { target, body } = filled;
  const more = parameters?.headers ?? null;
  const own = more === null ? request.headers : withMoreHeaders(request.headers, more, signedBy(endpoint));
  const headers = completeHeaders(own, message, body !== null);
  if ('kind' in headers) return undeliverable(id, identity, 'malformed', headers.detail);
  const { method } = request;
  const delivery = { id, target, method, headers, body, endpoint };
  return eventType === undefined ? delivery : { ...delivery, eventType };
}

const HUB_SIGNATURE: ReadonlySet<string> = new Set([RequestHeader.hubSignature]);
const NONE: ReadonlySet<string> = new Set();

/** The signature that the worker adds for this row: a message must not add a second one. */
function signedBy({ signing }: Endpoint): ReadonlySet<string> {
  return signing?.hubKey == null ? NONE : HUB_SIGNATURE;
}

function undeliverable(
  id: string,
  identity: Identity,
  reason: UndeliverableReason,
  detail: string,
): Undeliverable {
  return { id, ...identity, outcome: { kind: 'undeliverable', reason, detail } };
}
