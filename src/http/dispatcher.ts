import { type Dispatcher, ProxyAgent } from 'undici';
import type { AddressRules } from '../core/endpoint/address.ts';
import { checkedLookup, type ResolveAll } from './checked-lookup.ts';
import { OriginPools } from './origin-pools.ts';
import { type ClientOptions, createProxyPool } from './proxy-pool.ts';
import { createNameResolver } from './resolve-name.ts';

export type DispatcherOptions = {
  /** From dialing to the end of the response, in milliseconds. */
  readonly attemptTimeoutMs: number;
  /** DNS, TCP and TLS together, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly addressRules: AddressRules;
  /** Connections that are open at most, idle ones included, save those that are in use. */
  readonly mostConnections: number;
  /**
   * A forward proxy that every request goes through by CONNECT. It resolves the names, so it judges their addresses;
   * only IP literals and ports are judged here then. @default none
   */
  readonly egressProxy?: string | undefined;
  /** How names become addresses. @default DNS, and the system for what DNS does not know */
  readonly resolve?: ResolveAll;
};

/** How long an idle connection is kept at most, whatever its endpoint asks for. */
const KEEP_ALIVE_MAX_MS = 60_000;

/** One for all deliveries: kept-alive connections, no redirects, nothing decompressed. */
export function createDispatcher(options: DispatcherOptions): Pick<Dispatcher, 'dispatch' | 'destroy'> {
  // A dial that outlives its attempt would hold a socket that nobody waits for.
  const timeout = Math.min(options.connectTimeoutMs, options.attemptTimeoutMs);
  const common = {
    // The sweep of `sender.ts` is the deadline; undici's own timers would only repeat it.
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    allowH2: false,
    // What endpoints ask for, up to ten minutes by default: names without end could hold every file descriptor so long.
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
  };
  if (options.egressProxy !== undefined) {
    return new ProxyAgent({
      ...common,
      uri: options.egressProxy,
      proxyTls: { timeout },
      requestTls: { timeout },
      clientFactory: (origin, options: ClientOptions) => createProxyPool(origin, options, timeout),
    });
  }
  const connect = {
    timeout,
    lookup: checkedLookup(options.addressRules, options.resolve ?? createNameResolver()),
    // Of several addresses, each but the last has this long. Node's 250 ms give up on a distant endpoint, and then
    // end with the error of an IPv6 address that this machine cannot reach at all.
    autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(timeout / 4)),
  };
  return new OriginPools({ ...common, connect }, options.mostConnections);
}
