import { brokenAt } from '../core/ingest/batch.ts';
import {
  type Destination,
  type FieldProblem,
  readWebhookFields,
  textsOf,
  type WebhookFields,
} from '../core/ingest/webhook-fields.ts';
import { KEY_RULE, parseIdempotencyKey } from '../core/ingest/webhook-id.ts';
import { nameProblem } from '../core/ingest/webhook-name.ts';
import type { WebhookParts } from '../core/message/compose.ts';
import type { Problem } from '../runtime/problem.ts';
import type { Acceptor, Answer } from './acceptor.ts';
import { tooLarge } from './bodies.ts';
import type { Caller } from './caller.ts';
import type { KnownNames } from './named-route.ts';
import { INGEST_PROBLEMS, invalidProblem, unknownNameProblem } from './problems.ts';
import { checkPayload } from './source-check.ts';
import type { Sources } from './sources.ts';

/** The rows that a request may name. */
export interface KnownRows {
  /** The name of the row. Undefined: there is no such row. Null: the rows cannot be read. */
  nameOf(id: number): Promise<string | null | undefined>;
}

export type DescribedOptions = {
  readonly acceptor: Acceptor;
  readonly names: KnownNames;
  readonly rows: KnownRows;
  readonly sources: Pick<Sources, 'find'>;
  /** The largest body of one webhook now, in bytes. */
  readonly maxBytes: () => number;
};

const JSON_TYPE = 'application/json';

/** The name of webhooks that bring their own URL. */
const OF_URLS = 'url';

/** A webhook that a body describes, read and not yet accepted. */
export type Described = { readonly body: Uint8Array; readonly fields: WebhookFields };

/** Reads the description of a webhook. @param limit The largest body of one webhook, in bytes. */
export function describedIn(body: Uint8Array, limit: number): Described | Problem {
  if (body.length > limit) return tooLarge(limit);
  const offset = brokenAt(body);
  if (offset !== null) {
    const detail = `The body is no valid JSON: it breaks at byte ${offset}.`;
    return { kind: INGEST_PROBLEMS.unreadableBody, detail };
  }
  const fields = readWebhookFields(body);
  return Array.isArray(fields)
    ? invalidProblem(fields as FieldProblem[])
    : { body, fields: fields as WebhookFields };
}

/**
 * Accepts a webhook that a body describes: finds where it goes, whether the caller may, and its key.
 *
 * @param header `Idempotency-Key`; undefined: the description may have a key.
 */
export async function acceptDescribed(
  { body, fields }: Described,
  caller: Caller,
  header: string | undefined,
  { acceptor, names, rows, sources }: DescribedOptions,
): Promise<Answer> {
  const found = await findDestination(fields.destination, names, rows);
  if ('kind' in found) return { problem: found };
  const needed = fields.destination.kind === 'url' ? caller.refusal('url') : null;
  const refusal = needed ?? caller.refusal({ publish: found.name });
  if (refusal !== null) return { problem: refusal };
  const ownKey = header ?? fields.idempotencyKey;
  const key = ownKey === null ? keyOfEvent(fields) : parseIdempotencyKey(ownKey);
  if (ownKey !== null && key === null) return { problem: badKey(header !== undefined) };
  const parts = partsOf(fields, found);
  if ('pointer' in parts) return { problem: invalidProblem([parts]) };
  // The key of the caller stands for the signature. The schema holds for everybody who publishes to the name.
  const source = parts.isEnvelope ? null : sources.find(found.name);
  const wrong = source === null ? null : checkPayload(source, parts.body, '/data');
  if (wrong !== null) return { problem: wrong };
  return acceptor.accept({
    parts,
    scope: { name: found.name, tenant: caller.id },
    key,
    isOwnKey: ownKey !== null,
    body,
  });
}

type Found = { readonly name: string; readonly endpointId?: number };

async function findDestination(
  destination: Destination,
  names: KnownNames,
  rows: KnownRows,
): Promise<Found | Problem> {
  if (destination.kind === 'url') return { name: OF_URLS };
  const { pointer } = destination;
  if (destination.kind === 'name') {
    const { name } = destination;
    const wrong = nameProblem(name);
    if (wrong !== null) return invalidProblem([{ pointer, detail: wrong }]);
    if ((await names.isKnown(name)) !== false) return { name };
    return invalidProblem([{ pointer, detail: unknownNameProblem(name).detail }]);
  }
  const { id } = destination;
  const name = await rows.nameOf(id);
  if (name === undefined) {
    return invalidProblem([
      { pointer, detail: `There is no row of rule_webhooks with the webhook_id ${id}.` },
    ]);
  }
  return { name: name === null || nameProblem(name) !== null ? `endpoint-${id}` : name, endpointId: id };
}

/** The same event for the same destination is the same webhook. An event id alone is no key: a credit and its debit may share it. */
function keyOfEvent({ destination, eventType, eventId }: WebhookFields): string | null {
  if (eventType === null || eventId === null) return null;
  const where =
    destination.kind === 'url' ? destination.url : destination.kind === 'row' ? destination.id : '';
  return JSON.stringify(['event', eventType, eventId, where]);
}

function badKey(isHeader: boolean): Problem {
  return isHeader
    ? { kind: INGEST_PROBLEMS.badHeader, detail: KEY_RULE }
    : invalidProblem([{ pointer: '/idempotency_key', detail: KEY_RULE }]);
}

function partsOf(fields: WebhookFields, { name, endpointId }: Found): WebhookParts | FieldProblem {
  const { destination, eventType, eventId, orderingKey, deliverAt, expiresAt, maxAttempts } = fields;
  const common = {
    name,
    eventType: eventType ?? undefined,
    eventId: eventId ?? undefined,
    orderingKey: orderingKey ?? undefined,
    deliverAt: deliverAt ?? undefined,
    expiresAt: expiresAt ?? undefined,
    maxAttempts: maxAttempts ?? undefined,
  };
  const data = fields.data ?? dataOfEvent(fields);
  if (destination.kind === 'url') {
    return { ...common, isEnvelope: true, body: envelopeOf(destination.url, data, fields) };
  }
  const headers = textsOf(fields.headers, '/headers');
  if ('pointer' in headers) return headers;
  const params = textsOf(fields.urlParams, '/url_params');
  if ('pointer' in params) return params;
  return {
    ...common,
    body: data,
    contentType: JSON_TYPE,
    endpointId,
    headers: headers.texts,
    params: params.texts,
  };
}

/** What a webhook without `data` says. */
function dataOfEvent({ eventType, eventId }: WebhookFields): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      ...(eventType !== null && { event_type: eventType }),
      ...(eventId !== null && { event_id: eventId }),
    }),
  );
}

/** An envelope around the bytes of the request, which are not encoded again. */
function envelopeOf(url: string, data: Uint8Array, { headers, urlParams }: WebhookFields): Uint8Array {
  const parts = [Buffer.from(`{"webhook_url":${JSON.stringify(url)},"data":`), data];
  if (headers !== null) parts.push(Buffer.from(',"headers":'), headers);
  if (urlParams !== null) parts.push(Buffer.from(',"params":'), urlParams);
  return Buffer.concat([...parts, Buffer.from('}')]);
}
