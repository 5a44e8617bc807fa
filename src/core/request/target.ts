import { hash } from 'node:crypto';
import { type Forbidden, type Malformed, malformed } from './malformed.ts';

export type TargetResult = { readonly kind: 'target'; readonly target: Target } | Malformed | Forbidden;

/** Used in place of an endpoint key if there is no endpoint, or none is known yet. */
export const NO_ENDPOINT_KEY = 'none';

/**
 * What counts as one endpoint. `origin`: scheme, host and port. `url`: the URL without its query. `auto`: the origin, and each URL
 * that fails while others of its origin succeed. ENDPOINT_KEY.
 */
export type EndpointKeyOf = 'auto' | 'origin' | 'url';

/** With a hyphen and 8 hex digits the key stays under 80 characters. */
const LONGEST_HOST_IN_KEY = 70;

/**
 * `<host>-<8 hex>`, which names the endpoint in subjects, columns and logs. The hex digits are a hash of the origin (or of the
 * whole URL without its query). Only lower-case letters, digits and hyphens, so the key is one token of a subject; at most 79
 * characters.
 *
 * @param origin As the URL standard writes it: `https://example.com:8443`, or with its path.
 * @param hostname As the URL standard writes it; the brackets of an IPv6 literal may be left out.
 */
export function endpointKey(origin: string, hostname: string): string {
  return `${nameInKey(hostname)}-${keyDigits(origin)}`;
}

/** What a key shows of a host or a name. Different names may give the same text. */
export function nameInKey(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[|\]$|\.$/g, '')
    .replace(/[^a-z0-9-]/g, '-')
    .slice(0, LONGEST_HOST_IN_KEY);
}

/** The end of a key: its digits, and behind them the id of its row if another row has the same key. */
const END_OF_KEY = /-([0-9a-f]{8})(?:-id(\d+))?$/;

/**
 * The parts of a key: what it shows of a host or a name, its digits, and the id of its row if it has one. Null for a text that is no
 * key, such as `NO_ENDPOINT_KEY`.
 */
export function partsOfKey(key: string): { shown: string; digits: string; id: number | null } | null {
  const found = END_OF_KEY.exec(key);
  if (found === null) return null;
  const [end, digits, id] = found;
  return { shown: key.slice(0, -end.length), digits: digits!, id: id === undefined ? null : Number(id) };
}

/** The 8 hex digits at the end of a key. */
export function keyDigits(origin: string): string {
  return hash('sha256', origin, 'hex').slice(0, 8);
}

/**
 * Parses a URL of a message or a row: http or https, its fragment dropped. Addresses and ports are checked elsewhere
 * (`address.ts`); only userinfo is forbidden here, because the target does not hold it.
 *
 * @param field How `detail` names the URL.
 * @param keyOf What counts as one endpoint.
 */
export function parseTarget(text: string, field: string, keyOf: EndpointKeyOf = 'origin'): TargetResult {
  if (!URL.canParse(text)) {
    return malformed(/^\s*https?:/i.test(text) ? `${field} is not a valid URL` : notHttp(field));
  }
  const url = new URL(text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return malformed(notHttp(field));
  if (url.username !== '' || url.password !== '') {
    return {
      kind: 'forbidden',
      detail: `${field} holds a user name or password; use an Authorization header`,
    };
  }
  if (url.port === '0') return malformed(`${field} has port 0`);
  const path = url.pathname + url.search;
  const parsed = {
    href: url.origin + path,
    origin: url.origin,
    path,
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
  };
  return { kind: 'target', target: keyedBy(parsed, keyOf, url.origin + url.pathname) };
}

/** @param url The URL without its query. Of a template: as it is written. */
export function keyedBy(parsed: Omit<Target, 'endpointKey'>, keyOf: EndpointKeyOf, url: string): Target {
  const key = endpointKey(keyOf === 'url' ? url : parsed.origin, parsed.hostname);
  return keyOf === 'origin'
    ? { ...parsed, endpointKey: key }
    : { ...parsed, endpointKey: key, unit: { keyOf, url } };
}

/** The same target with the key of its URL. Only for a target with a `unit`. */
export function ofUrl(target: Target, urlKey: string): Target {
  const unit = { keyOf: 'url', url: target.unit!.url, originKey: target.endpointKey } as const;
  return { ...target, endpointKey: urlKey, unit };
}

/** What the endpoint is called where it is shown: its origin, or its URL without the query. */
export function endpointUrlOf({ origin, unit }: Target): string {
  return unit?.keyOf === 'url' ? unit.url : origin;
}

/** The target with `query` (encoded, without a question mark) after its own query. */
export function appendQuery(target: Target, query: string): Target {
  if (query === '') return target;
  const separator = !target.path.includes('?') ? '?' : /[?&]$/.test(target.path) ? '' : '&';
  const path = target.path + separator + query;
  return { ...target, path, href: target.origin + path };
}

// The message does not quote the scheme: in a mistaken `user:password@host`, the scheme is `user`.
function notHttp(field: string): string {
  return `${field} is not an http or https URL: it must begin with https:// or http://`;
}

/** Where a delivery goes, ready for the sending client: parsed once, shared by all deliveries to the same URL. */
export type Target = {
  /** Without userinfo and fragment. Holds the query, so never logged or stored whole: see `withoutQuery`. */
  readonly href: string;
  readonly origin: string;
  /** Path and query. */
  readonly path: string;
  /** Without the brackets of an IPv6 literal. */
  readonly hostname: string;
  readonly port: number;
  /** `<host>-<8 hex>`: names the endpoint in subjects, columns and logs. Has no dot. */
  readonly endpointKey: string;
  /** Absent: the key is the one of the origin for good, or of a row. */
  readonly unit?: TargetUnit;
};

/** Whether the endpoint is an origin or a URL. */
type TargetUnit = {
  /** `url`: the key is the one of the URL. `auto`: it is the one of the origin, until the URL is split off. */
  readonly keyOf: 'auto' | 'url';
  /** The URL without its query. Of a template: as it is written. */
  readonly url: string;
  /** The key of the origin; absent: the URL was not split off. */
  readonly originKey?: string;
};

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export type Method = (typeof METHODS)[number];
/** The part of a URL that can be shown and stored: a query often holds a token. */
export function withoutQuery(target: Target): string {
  const query = target.path.indexOf('?');
  return target.origin + (query < 0 ? target.path : target.path.slice(0, query));
}
