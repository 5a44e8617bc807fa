import { isNull, membersOf, scalarText } from '../json/fields.ts';
import { Header } from '../message/nats-headers.ts';
import { RequestHeader, WRITTEN_BY_WORKERS } from './header-names.ts';
import { LONGEST_FIELD, type Malformed, malformed } from './malformed.ts';

/** The headers that a message or a row asks for, checked: each name once, ready to be sent. */
export type RequestHeaders = {
  readonly kind: 'headers';
  /** Name, value, name, value, … */
  readonly list: readonly string[];
  /** `list`, with `Content-Type: application/json` if it has no Content-Type. */
  readonly listForJson: readonly string[];
  readonly hasContentType: boolean;
  /** The Content-Type in `listForJson`. */
  readonly contentType: string;
  readonly hasTraceparent: boolean;
  readonly hasTracestate: boolean;
};

/** Looks up the headers of a NATS message. */
export type NatsHeaders = { header(name: string): string | undefined };

/**
 * These headers would change how the request is framed or routed, and the HTTP client writes them. Headers such as
 * Proxy-Authorization belong to the connection to a proxy, which only the settings configure, never a message.
 */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'upgrade',
  'expect',
]);

/** RFC 9110: a token. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

const NOT_IN_NAME = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;

/** RFC 9110: visible characters, spaces, tabs and the Latin-1 characters outside ASCII. No line breaks, no NUL. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export const NO_HEADERS: RequestHeaders = requestHeaders(new Map());

/**
 * Parses the headers of a message or a row. Values are strings, or numbers and booleans as they are written. If a name occurs
 * twice, in whatever case, the last value counts. Malformed: names or values that HTTP does not allow, names that would break the
 * request, other values. `webhook-id`, `-timestamp`, `-signature` and `-replayed` are left out: the worker sends its own.
 *
 * @param json Valid JSON; null counts as no headers.
 */
export function parseHeaders(json: Uint8Array): RequestHeaders | Malformed {
  if (isNull(json)) return NO_HEADERS;
  if (json.length > LONGEST_FIELD) return malformed(`headers is longer than ${LONGEST_FIELD} bytes`);
  const members = membersOf(json);
  if (members === null) return malformed('headers is not an object');
  const byName = new Map<string, readonly [name: string, value: string]>();
  for (const [name, raw] of members) {
    const lowerCase = name.toLowerCase();
    if (!NAME.test(name)) return malformed(`header ${quoted(validStart(name))} is not a valid header name`);
    if (FORBIDDEN.has(lowerCase))
      return malformed(`header ${quoted(name)} belongs to the connection: leave it out`);
    const value = scalarText(raw);
    if (value === null) return malformed(`header ${quoted(name)} is not a string, number or boolean`);
    if (!VALUE.test(value))
      return malformed(`header ${quoted(name)} has characters that HTTP does not allow`);
    if (!WRITTEN_BY_WORKERS.has(lowerCase)) byName.set(lowerCase, [name, value]);
  }
  return requestHeaders(byName);
}

/**
 * The headers that are sent: `headers`, then a Content-Type if there is a body (that of the NATS headers, else application/json),
 * `webhook-replayed` for a replay, then the trace context of the NATS headers, unless `headers` has its own.
 */
export function completeHeaders(
  headers: RequestHeaders,
  nats: NatsHeaders,
  hasBody: boolean,
): readonly string[] | Malformed {
  const contentType = hasBody && !headers.hasContentType ? nats.header(Header.contentType) : undefined;
  if (contentType !== undefined && !VALUE.test(contentType)) {
    return malformed(`the NATS header ${Header.contentType} has characters that HTTP does not allow`);
  }
  const list = contentType ? [...headers.list, RequestHeader.contentType, contentType] : null;
  const replay = isReplay(nats);
  if (typeof replay === 'object') return malformed(replay.problem);
  const first = list ?? (hasBody ? headers.listForJson : headers.list);
  const base = replay ? [...first, RequestHeader.replayed, 'true'] : first;
  const trace = headers.hasTraceparent ? undefined : nats.header(Header.traceparent);
  // Tracing must not stop a delivery: a value that HTTP does not allow is left out. A tracestate means nothing without the
  // traceparent of the same message.
  if (!trace || !VALUE.test(trace)) return base;
  const traced = [...base, RequestHeader.traceparent, trace];
  const state = headers.hasTracestate ? undefined : nats.header(Header.tracestate);
  if (state && VALUE.test(state)) traced.push(RequestHeader.tracestate, state);
  return traced;
}

/**
 * The headers of a row with those that a message adds. If both have a name, the row's value counts.
 *
 * @param left Names in lower case that a message cannot add to this row.
 */
export function withMoreHeaders(
  row: RequestHeaders,
  more: RequestHeaders,
  left: ReadonlySet<string> = new Set(),
): RequestHeaders {
  const byName = byLowerCase(row);
  for (const [name, pair] of byLowerCase(more))
    if (!byName.has(name) && !left.has(name)) byName.set(name, pair);
  return requestHeaders(byName);
}

function byLowerCase({ list }: RequestHeaders): Map<string, readonly [string, string]> {
  const byName = new Map<string, readonly [string, string]>();
  for (let at = 0; at < list.length; at += 2) byName.set(list[at]!.toLowerCase(), [list[at]!, list[at + 1]!]);
  return byName;
}

/** A value may stand behind the name by mistake, as in `Authorization: Bearer …`: that part must not be shown. */
function validStart(name: string): string {
  const end = name.search(NOT_IN_NAME);
  return end < 0 ? name : `${name.slice(0, end)}…`;
}

/** A name in a form that can be shown: printable, and at most 60 characters. */
export function quoted(name: string): string {
  const short = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return JSON.stringify(short.toWellFormed()).replace(/[\x7f-\x9f\u2028\u2029]/g, '?');
}

function requestHeaders(byName: ReadonlyMap<string, readonly [string, string]>): RequestHeaders {
  const list = [...byName.values()].flat();
  const hasContentType = byName.has(RequestHeader.contentType);
  return {
    kind: 'headers',
    list,
    listForJson: hasContentType ? list : [...list, RequestHeader.contentType, 'application/json'],
    hasContentType,
    contentType: byName.get(RequestHeader.contentType)?.[1] ?? 'application/json',
    hasTraceparent: byName.has(RequestHeader.traceparent),
    hasTracestate: byName.has(RequestHeader.tracestate),
  };
}

/**
 * True if an operator sent the message again: its NATS header `Webhook-Replayed` is `true`, in whatever case. `false` or an empty
 * header counts as no header.
 *
 * @returns What is wrong, if the header has any other value.
 */
export function isReplay(nats: NatsHeaders): boolean | { readonly problem: string } {
  const given = nats.header(Header.replayed)?.trim().toLowerCase();
  if (!given || given === 'false') return false;
  return given === 'true'
    ? true
    : { problem: `the NATS header ${Header.replayed} is neither true nor false` };
}
