import { type LookupAddress, lookup as lookupBySystem, Resolver } from 'node:dns';
import { readFileSync } from 'node:fs';
import { errorCode } from '../runtime/failure.ts';
import type { ResolveAll } from './checked-lookup.ts';

/** Silent, broken, or a name without an address: the system would only wait for the same, and hold a thread meanwhile. */
const FINAL = new Set(['ETIMEOUT', 'ESERVFAIL', 'ENODATA']);

export type NameSources = {
  /** DNS by sockets, not by threads. Asked for anew for each name: so it knows of a changed /etc/resolv.conf. */
  readonly dns?: () => Pick<Resolver, 'resolve4' | 'resolve6'>;
  /** What else the system knows: its search list, its other sources of names. */
  readonly system?: ResolveAll;
  /** The text of /etc/hosts. */
  readonly hosts?: () => string;
};

/**
 * Resolves names so that one whose DNS is silent keeps none of the others waiting. The system's own look-up runs in
 * threads, two at once in Node's default pool, and a silent server holds one for 10 s and longer: two such endpoints, and
 * no delivery to anyone would find its address in time. So DNS is asked directly, and the system for the rest: names in
 * /etc/hosts, which come before DNS everywhere, names without a dot, and names that DNS does not know.
 */
export function createNameResolver({
  // The second try waits twice as long: together they end before the default of CONNECT_TIMEOUT_MS, as a failure of DNS.
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

/** Whatever family a socket asks for: a name is judged by all its addresses. IPv4 first, since many machines have no other. */
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

/** Read for every new connection, a few microseconds each: containers get their hosts while they run. */
function readHosts(): string {
  try {
    return readFileSync('/etc/hosts', 'utf8');
  } catch {
    return '';
  }
}
