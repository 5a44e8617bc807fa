import { type LookupAddress, lookup as lookupBySystem, Resolver } from 'node:dns';
import { readFileSync } from 'node:fs';
import { errorCode } from '../runtime/failure.ts';
import type { ResolveAll } from './checked-lookup.ts';

/**
 * Codes for: DNS does not answer, has failed, or has no address for the name. The system's look-up would have the same result,
 * and hold a thread.
 */
const FINAL = new Set(['ETIMEOUT', 'ESERVFAIL', 'ENODATA']);

export type NameSources = {
  /** DNS by sockets, not by threads. Called anew for each name, so that a changed /etc/resolv.conf has an effect. */
  readonly dns?: () => Pick<Resolver, 'resolve4' | 'resolve6'>;
  /** The system's look-up, with its search list and its other sources of names. */
  readonly system?: ResolveAll;
  /** The text of /etc/hosts. */
  readonly hosts?: () => string;
};

/**
 * Resolves names. A DNS server that does not answer must not delay the look-up of other names. The system's own look-up runs in
 * threads, two at once in Node's default pool, and such a DNS server holds a thread for 10 s and longer: with two such endpoints,
 * no delivery to any endpoint would get its address in time. So DNS is asked directly. The system's look-up is used only for
 * names in /etc/hosts (they win over DNS on every system), names without a dot, and names that DNS does not know.
 */
export function createNameResolver({
  // The second try waits twice as long as the first. Both together end before the default of CONNECT_TIMEOUT_MS, so that the
  // error is that of DNS.
  dns = () => new Resolver({ timeout: 1500, tries: 2 }),
  system = lookupBySystem,
  hosts = readHosts,
}: NameSources = {}): ResolveAll {
  return (hostname, options, callback) => {
    const name = hostname.replace(/\.$/, '').toLowerCase();
    if (!name.includes('.') || namesIn(hosts()).has(name)) return system(hostname, options, callback);

    void Promise.all(askBoth(dns(), hostname)).then((answers) => {
      const addresses = answers.flatMap((answer) => answer.addresses);
      const final = answers.find(({ error }) => FINAL.has(errorCode(error) ?? ''))?.error;
      if (addresses.length > 0) callback(null, addresses);
      else if (final) callback(final, []);
      else system(hostname, options, callback);
    });
  };
}

type Answer = { readonly error: NodeJS.ErrnoException | null; readonly addresses: LookupAddress[] };

/**
 * Asks for both families, whatever the socket asks for: all addresses of a name are checked. IPv4 first: many machines have no
 * IPv6.
 */
function askBoth(dns: Pick<Resolver, 'resolve4' | 'resolve6'>, hostname: string): Promise<Answer>[] {
  return ([4, 6] as const).map(
    (family) =>
      new Promise((resolve) => {
        const settle = (error: NodeJS.ErrnoException | null, found: string[] = []) =>
          resolve({ error, addresses: found.map((address) => ({ address, family })) });
        if (family === 4) dns.resolve4(hostname, settle);
        else dns.resolve6(hostname, settle);
      }),
  );
}

function namesIn(hosts: string): Set<string> {
  return new Set(hosts.replace(/#.*/g, '').toLowerCase().split(/\s+/));
}

/** Read for every new connection, a few microseconds each, because /etc/hosts of a container may change while it runs. */
function readHosts(): string {
  try {
    return readFileSync('/etc/hosts', 'utf8');
  } catch {
    return '';
  }
}
