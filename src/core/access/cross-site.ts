/** The parts of a request that tell whether a page of another site sends it. */
export type RequestOrigin = {
  readonly method: string;
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The request has a valid API key: a page of another site has none. */
  readonly hasKey: boolean;
  /** Further origins of our own, as `https://hooks.example.com`: that of PUBLIC_URL. */
  readonly origins: readonly string[];
};

const REFUSED =
  'The request comes from a page of another site, and carries no API key. The service accepts such requests only with a key.';

/**
 * Refuses requests that a browser sends for a page of another site. Such a page cannot read our answers, but it could publish
 * webhooks: a form or a `fetch` without special headers needs no consent of ours, also to a server on the user's own machine.
 *
 * Browsers say where a request comes from in `Sec-Fetch-Site`, and where they do not (plain HTTP to an address that is not of the
 * own machine), in `Origin`. Another port of the same host is another site for us (`same-site`). Links are followed: a GET that
 * opens a page changes nothing. Programs send none of these headers.
 *
 * @returns Null, or why the request is refused (status 403).
 */
export function checkCrossSite({ method, headers, hasKey, origins }: RequestOrigin): string | null {
  if (hasKey) return null;
  const { origin } = headers;
  if (origin !== undefined && !isOwnOrigin(origin, headers.host, origins)) return REFUSED;
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return null;
  return isOpenedPage(method, headers) ? null : REFUSED;
}

function isOwnOrigin(
  origin: string | readonly string[],
  host: string | readonly string[] | undefined,
  origins: readonly string[],
): boolean {
  if (typeof origin !== 'string') return false;
  const url = /^https?:\/\/[^/]+$/i.test(origin) && URL.canParse(origin) ? new URL(origin) : null;
  if (url === null) return false;
  // The Host was checked before, so that it is one of ours. A proxy may have ended TLS, so that the scheme does not count.
  const isOurHost =
    typeof host === 'string' && withoutPort(url.host, url.protocol) === withoutPort(host, url.protocol);
  return isOurHost || origins.some((own) => URL.canParse(own) && new URL(own).origin === url.origin);
}

function withoutPort(host: string, protocol: string): string {
  return host.toLowerCase().replace(protocol === 'https:' ? /:443$/ : /:80$/, '');
}

/** A link that was followed, or an address in a bookmark of another page. */
function isOpenedPage(method: string, headers: RequestOrigin['headers']): boolean {
  return (
    (method === 'GET' || method === 'HEAD') &&
    headers['sec-fetch-mode'] === 'navigate' &&
    headers['sec-fetch-dest'] === 'document'
  );
}
