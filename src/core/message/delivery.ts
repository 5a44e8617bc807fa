import type { Endpoint } from '../endpoint/registry.ts';

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
};

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

/** One webhook on its way to one endpoint, over all its attempts. */
export type Delivery = {
  /** The same over all attempts; sent as `webhook-id`. Has no dot. */
  readonly id: string;
  readonly target: Target;
  readonly method: Method;
  /** Name, value, name, value, …: as undici takes them fastest. Without those that every attempt adds. */
  readonly headers: readonly string[];
  /** Null: the request has no body. */
  readonly body: Uint8Array | null;
  /** Its row of `rule_webhooks`, which rules; null where the message itself names the URL. */
  readonly endpoint: Endpoint | null;
};

/** What can be shown and stored of a URL: a query often holds a token. */
export function withoutQuery(target: Target): string {
  const query = target.path.indexOf('?');
  return target.origin + (query < 0 ? target.path : target.path.slice(0, query));
}
