import { isIP } from 'node:net';

/** A host name by its labels in lower case, an address as it is; null if the text is no host with or without a port. */
export function hostOf(authority: string): string | null {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(authority) ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6 ? bracketed.toLowerCase() : null;
  if (plain === undefined) return null;
  return plain.toLowerCase().replace(/\.$/, '') || null;
}

/**
 * Checks the `Host` of a request. A page of another site can let its own host name resolve to our address (DNS rebinding), and the
 * browser then takes our answers for those of this page. Its requests name the host of the page, so that this check refuses them.
 *
 * Accepted are `localhost`, the given names and every IP address: a page cannot let an address mean another address, and behind a
 * port mapping or a load balancer, the listener does not know by which address it is reached. Browsers always send `Host`, so that
 * a request without it is not from a page.
 *
 * @param hostHeader The header; undefined: the request has none.
 * @param names Further host names: that of PUBLIC_URL, and ALLOWED_HOSTS. `*.example.com` stands for all names below example.com.
 * @returns Null, or why the request is refused (status 421).
 */
export function checkHost(hostHeader: string | undefined, names: Iterable<string>): string | null {
  if (hostHeader === undefined || hostHeader === '') return null;
  const host = hostOf(hostHeader);
  if (host === null) return 'The header Host of the request is not a host with an optional port.';
  if (host === 'localhost' || isIP(host) !== 0) return null;
  for (const name of names) if (isNamed(host, name)) return null;
  return 'The service does not expect requests for this host name. Its operator can allow the name: PUBLIC_URL or ALLOWED_HOSTS.';
}

function isNamed(host: string, name: string): boolean {
  const allowed = name.toLowerCase().replace(/\.$/, '');
  return allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) : host === allowed;
}
