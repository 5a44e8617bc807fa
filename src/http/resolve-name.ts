import { type LookupAddress, lookup as lookupBySystem, Resolver } from 'node:dns';
import { errorCode } from '../runtime/failure.ts';
import type { ResolveAll } from './checked-lookup.ts';
import { changingFile, namesInHosts, namesToAsk, searchListIn } from './name-files.ts';

/**
 * Codes for: DNS does not answer, or has failed. The system's look-up would have the same result, and hold a thread. The next name
 * of the search list is not tried: the name may exist, and a public host of the same spelling would get its webhooks.
 */
const FAILED = new Set(['ETIMEOUT', 'ESERVFAIL']);

/** Codes for: there is no such name, or it has no address. `EBADNAME`: a name that the search list makes too long. */
const NOT_THERE = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME']);

export type NameSources = {
  /** DNS by sockets, not by threads. Called anew for each name, so that a changed /etc/resolv.conf has an effect. */
  readonly dns?: () => Pick<Resolver, 'resolve4' | 'resolve6'>;
  /** The system's look-up, with its other sources of names. */
  readonly system?: ResolveAll;
  /** @default `/etc/hosts` */
  readonly hostsFile?: string;
  /** @default `/etc/resolv.conf` */
  readonly resolvConf?: string;
};

/**
 * Resolves names as the machine does: names of /etc/hosts first, then DNS with the search list, then other sources of names. A DNS
 * server that does not answer must not delay the look-up of other names. The system's own look-up runs in threads, two at once in
 * Node's default pool, and such a DNS server holds a thread for 10 s and longer: with two such endpoints, no delivery to any
 * endpoint would get its address in time. So DNS is asked directly. The system's look-up is used only for names in /etc/hosts,
 * which it finds without DNS, and for names that DNS does not know. Without a /etc/resolv.conf (Windows), only the system
 * knows how to complete a name without a dot.
 */
export function createNameResolver({
  // The second try waits twice as long as the first. Both together end before the default of CONNECT_TIMEOUT_MS, so that the
  // error is that of DNS.
  dns = () => new Resolver({ timeout: 1500, tries: 2 }),
  system = lookupBySystem,
  hostsFile = '/etc/hosts',
  resolvConf = '/etc/resolv.conf',
}: NameSources = {}): ResolveAll {
  const hosts = changingFile(hostsFile, namesInHosts);
  const searchList = changingFile(resolvConf, searchListIn);
  return (hostname, options, callback) => {
    const name = hostname.replace(/\.$/, '').toLowerCase();
    const search = searchList();
    const needsSystem = search === null && !name.includes('.');
    if (needsSystem || hosts()?.has(name)) return system(hostname, options, callback);

    // A dot at the end says that the name is complete.
    const names = search === null || hostname.endsWith('.') ? [name] : namesToAsk(name, search);
    void askInTurn(dns(), names).then(({ addresses, error }) => {
      if (error !== null) callback(error, []);
      else if (addresses.length > 0) callback(null, addresses);
      else system(hostname, options, callback);
    });
  };
}

type Answer = { readonly error: NodeJS.ErrnoException | null; readonly addresses: LookupAddress[] };

type Dns = Pick<Resolver, 'resolve4' | 'resolve6'>;

/** The addresses of the first of these names that has any. No addresses and no error: DNS does not know, and the system decides. */
async function askInTurn(dns: Dns, names: readonly string[]): Promise<Answer> {
  let withoutAddress: NodeJS.ErrnoException | null = null;
  for (const name of names) {
    const answers = await Promise.all(askBoth(dns, name));
    const addresses = answers.flatMap((answer) => answer.addresses);
    if (addresses.length > 0) return { error: null, addresses };
    const errors = answers.flatMap(({ error }) => error ?? []);
    const failed = errors.find((error) => FAILED.has(errorCode(error) ?? ''));
    if (failed) return { error: failed, addresses };
    // DNS itself is not there, or refuses: the system may know more.
    if (errors.some((error) => !NOT_THERE.has(errorCode(error) ?? ''))) return { error: null, addresses };
    withoutAddress ??= errors.find((error) => errorCode(error) === 'ENODATA') ?? null;
  }
  return { error: withoutAddress, addresses: [] };
}

/**
 * Asks for both families, whatever the socket asks for: all addresses of a name are checked. IPv4 first: many machines have no
 * IPv6.
 */
function askBoth(dns: Dns, name: string): Promise<Answer>[] {
  return ([4, 6] as const).map(
    (family) =>
      new Promise((resolve) => {
        const settle = (error: NodeJS.ErrnoException | null, found: string[] = []) =>
          resolve({ error, addresses: found.map((address) => ({ address, family })) });
        if (family === 4) dns.resolve4(name, settle);
        else dns.resolve6(name, settle);
      }),
  );
}
