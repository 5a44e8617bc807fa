import {
  asKey,
  type BrokenJson,
  type FieldScan,
  type Fields,
  isNull,
  scalarText,
  topLevelFields,
} from '../json/fields.ts';
import { LruMap } from '../lru-map.ts';
import {
  completeHeaders,
  type NatsHeaders,
  NO_HEADERS,
  parseHeaders,
  type RequestHeaders,
} from '../request/headers.ts';
import { type Forbidden, type Malformed, malformed } from '../request/malformed.ts';
import { parseParams } from '../request/params.ts';
import {
  appendQuery,
  type EndpointKeyOf,
  METHODS,
  type Method,
  type Target,
  type TargetResult,
} from '../request/target.ts';
import { parseUrl } from '../request/url.ts';
import { fillUrl, type UrlTemplate } from '../request/url-template.ts';
import { envelopeConflict, type MessageParameters, messageParameters } from './message-parameters.ts';
import { Header } from './nats-headers.ts';

export type IncomingMessage = NatsHeaders & { readonly data: Uint8Array };

/** The request that a message asks for. Bodies are views of the message's bytes: nothing is copied. */
export type ParsedMessage =
  | {
      readonly kind: 'envelope';
      readonly target: Target;
      readonly method: Method;
      /** As in `Delivery.headers`. */
      readonly headers: readonly string[];
      /** Null: the request has no body. */
      readonly body: Uint8Array | null;
      /** Absent: the message has none. */
      readonly parameters?: MessageParameters;
    }
  | BarePayload
  | Malformed
  | Forbidden;

/** A message without a URL, or data that only looks like one with: the whole message is the body. */
export type BarePayload = {
  readonly kind: 'bare';
  readonly body: Uint8Array;
  /** Null: the body is JSON. */
  readonly broken: BrokenJson | null;
  /** The first of the fields `event`, `event_type` and `type` that is a string, as JSON. Absent: none is. */
  readonly eventType?: Uint8Array;
  /** Absent: the message has none. */
  readonly parameters?: MessageParameters;
};

/** The value of `Webhook-Payload`. */
const BARE = 'bare';

/** Recently seen URLs and headers are kept parsed. Counts of entries, and lengths in characters. */
const URLS_KEPT = 10_000;
const LONGEST_URL_KEPT = 1024;
const HEADERS_KEPT = 1000;
const LONGEST_HEADERS_KEPT = 4096;

/** The data for placeholders if an envelope has no `data`. */
const NO_DATA = Buffer.from('{}');

const METHOD_AS_WRITTEN: ReadonlyMap<string, Method> = new Map(
  METHODS.map((method) => [`"${method}"`, method]),
);

/**
 * Creates a function that parses messages (docs/publishing.md), with its own cache of recent URLs and headers. The function never
 * throws, whatever the bytes and headers are.
 *
 * A field `headers`, `method` or `params` that is null counts as absent. A GET has no body. With any other method, a message
 * without `data` is sent whole. Placeholders in the URL are filled from `data`.
 *
 * @param keyOf What counts as one endpoint.
 */
export function createMessageParser(
  keyOf: EndpointKeyOf = 'origin',
): (message: IncomingMessage) => ParsedMessage {
  const urls = new LruMap<TargetResult | UrlTemplate>(URLS_KEPT, LONGEST_URL_KEPT);
  const headers = new LruMap<RequestHeaders | Malformed>(HEADERS_KEPT, LONGEST_HEADERS_KEPT);
  const urlOf = remembering(urls, (json) => urlFrom(json, keyOf));
  const headersOf = remembering(headers, parseHeaders);

  return (message) => {
    const parameters = messageParameters(message, headersOf);
    if (parameters !== undefined && 'detail' in parameters) return parameters;
    const scan = topLevelFields(message.data);
    const fields = scan.kind === 'object' ? scan.fields : {};
    const looksLikeEnvelope = scan.kind === 'broken' ? scan.urlSeen : fields.webhook_url !== undefined;
    const isData = looksLikeEnvelope ? isSaidToBeData(message) : true;
    if (typeof isData === 'object') return isData;
    if (isData) return bare(message.data, scan, parameters);
    // What was meant as an envelope must not become the bare payload of another endpoint, with the headers that it holds.
    if (scan.kind === 'broken')
      return malformed(`the envelope is not valid JSON: it ${whereBroken(scan, message.data)}`);
    const conflict = parameters === undefined ? null : envelopeConflict(parameters);
    if (conflict !== null) return conflict;

    const found = urlOf(fields.webhook_url!);
    if (found.kind !== 'target' && found.kind !== 'template') return found;
    const url = found.kind === 'target' ? found.target : fillUrl(found, fields.data ?? NO_DATA, 'data');
    if ('kind' in url) return url;
    const method = fields.method === undefined ? 'POST' : methodFrom(fields.method);
    if (typeof method !== 'string') return method;
    const target = fields.params === undefined ? url : withParams(url, fields.params);
    if ('kind' in target) return target;
    const asked = fields.headers === undefined ? NO_HEADERS : headersOf(fields.headers);
    if (asked.kind === 'malformed') return asked;
    const body = bodyFor(method, fields.data, message.data);
    const list = completeHeaders(asked, message, body !== null);
    if ('kind' in list) return list;
    const envelope = { kind: 'envelope', target, method, headers: list, body } as const;
    return parameters === undefined ? envelope : { ...envelope, parameters };
  };
}

function bare(body: Uint8Array, scan: FieldScan, parameters: MessageParameters | undefined): BarePayload {
  if (scan.kind === 'broken') return { kind: 'bare', body, broken: scan, ...(parameters && { parameters }) };
  const eventType = scan.kind === 'object' ? eventTypeIn(scan.fields) : undefined;
  if (parameters === undefined)
    return eventType === undefined
      ? { kind: 'bare', body, broken: null }
      : { kind: 'bare', body, broken: null, eventType };
  return { kind: 'bare', body, broken: null, parameters, ...(eventType && { eventType }) };
}

function eventTypeIn({ event, event_type, type }: Fields): Uint8Array | undefined {
  if (event?.[0] === 0x22) return event;
  if (event_type?.[0] === 0x22) return event_type;
  return type?.[0] === 0x22 ? type : undefined;
}

/** True if the publisher says that a `webhook_url` in the payload is data. An unknown word is no data and no envelope. */
function isSaidToBeData(message: NatsHeaders): boolean | Malformed {
  const said = message.header(Header.payload)?.trim().toLowerCase();
  if (!said) return false;
  return (
    said === BARE ||
    malformed(`the NATS header ${Header.payload} is not ${BARE}, the only value that it may have`)
  );
}

/** Where JSON breaks, for a person: "breaks at byte 7". */
export function whereBroken({ offset }: BrokenJson, data: Uint8Array): string {
  return `${offset === data.length ? 'ends too soon' : 'breaks'} at byte ${offset}`;
}

function remembering<V extends object>(known: LruMap<V>, compute: (json: Uint8Array) => V) {
  return (json: Uint8Array): V => {
    const key = asKey(json);
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = compute(json);
    known.set(key, value);
    return value;
  };
}

function urlFrom(json: Uint8Array, keyOf: EndpointKeyOf): TargetResult | UrlTemplate {
  const text = json[0] === 0x22 ? scalarText(json) : null;
  return text === null ? malformed('webhook_url is not a string') : parseUrl(text, 'webhook_url', keyOf);
}

function methodFrom(json: Uint8Array): Method | Malformed {
  if (isNull(json)) return 'POST';
  const asWritten = METHOD_AS_WRITTEN.get(asKey(json));
  if (asWritten !== undefined) return asWritten;
  const text = scalarText(json)?.toUpperCase();
  return METHODS.find((method) => method === text) ?? malformed(`method is not one of ${METHODS.join(', ')}`);
}

function withParams(target: Target, json: Uint8Array): Target | Malformed {
  const query = parseParams(json);
  return typeof query === 'string' ? appendQuery(target, query) : query;
}

function bodyFor(method: Method, data: Uint8Array | undefined, whole: Uint8Array): Uint8Array | null {
  if (method === 'GET') return null;
  return data ?? whole;
}
