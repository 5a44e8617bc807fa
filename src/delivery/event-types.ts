import { acceptsEvent, acceptsEveryEvent, type Endpoint } from '../core/endpoint/endpoint.ts';
import { nameOf } from '../core/endpoint/endpoint-request.ts';
import { type BarePayload, whereBroken } from '../core/message/envelope.ts';
import { Header } from '../core/message/nats-headers.ts';
import { eventTypesOf } from '../core/request/event-type.ts';
import type { Message } from './message.ts';

/** Whether an endpoint accepts the event of a message. `undecided`: the payload may hold a type, and cannot be read. */
export type Acceptance = 'accepted' | 'filtered' | 'undecided';

export type EventDecision = {
  /** The event types of the payload; empty if no endpoint needs them. */
  readonly types: readonly string[];
  of(endpoint: Endpoint): Acceptance;
};

export const EVERY_EVENT: EventDecision = { types: [], of: () => 'accepted' };

/**
 * Decides which endpoints accept a bare payload. Reads the payload only if an endpoint has `event_types` that do not accept
 * everything. Such an endpoint cannot decide about a payload that is not JSON, with two exceptions: the NATS header `X-Event-Type`
 * has a type that the endpoint accepts; or the payload is no broken object, so that only this header can name a type.
 */
export function decideEvent(
  payload: BarePayload,
  message: Pick<Message, 'header'>,
  endpoints: readonly Endpoint[],
): EventDecision {
  if (endpoints.every(({ row }) => acceptsEveryEvent(row))) return EVERY_EVENT;
  const header = message.header(Header.eventType);
  const types = typesOf(payload, header);
  const otherwise = isUnreadable(payload, header) ? 'undecided' : 'filtered';
  return { types, of: ({ row }) => (acceptsEvent(row, types) ? 'accepted' : otherwise) };
}

/**
 * Decides about a parked copy. An event that was accepted before the copy was parked stays accepted, because the `event_types` of
 * the row may have changed. An event that could not be decided then may be decided now.
 */
export function decideParkedEvent(
  payload: BarePayload,
  message: Pick<Message, 'header'>,
  endpoints: readonly Endpoint[],
): EventDecision {
  if (payload.broken === null) return EVERY_EVENT;
  const { types, of } = decideEvent(payload, message, endpoints);
  return { types, of: (endpoint) => (of(endpoint) === 'undecided' ? 'undecided' : 'accepted') };
}

/** Why the endpoint cannot decide, and the cure, for a person. */
export function whyUndecided({ broken, body }: BarePayload, { row }: Endpoint): string {
  const cure = broken!.isObject
    ? 'publish valid JSON'
    : `name the type in the NATS header ${Header.eventType}`;
  return (
    `${nameOf(row)}: event_types cannot be compared, because the payload is not JSON: it ${whereBroken(broken!, body)}; ` +
    `${cure}, or set event_types to {*}`
  );
}

function typesOf({ body, broken }: BarePayload, header: string | undefined): readonly string[] {
  if (broken === null) return eventTypesOf(body, header);
  return header ? [header] : [];
}

function isUnreadable({ broken }: BarePayload, header: string | undefined): boolean {
  return broken !== null && (broken.isObject || !header);
}
