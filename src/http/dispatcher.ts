import { type Dispatcher, ProxyAgent } from 'undici';
import type { AddressRules } from '../core/endpoint/address.ts';
import { checkedLookup, type ResolveAll } from './checked-lookup.ts';
import { OriginPools } from './origin-pools.ts';
import { type ClientOptions, createProxyPool } from './proxy-pool.ts';
import { createNameResolver } from './resolve-name.ts';

export type DispatcherOptions = {
  /** How long one attempt may take, from dialing to the end of the response, in milliseconds. */
  readonly attemptTimeoutMs: number;
  /** How long DNS, TCP and TLS together may take, in milliseconds. */
  readonly connectTimeoutMs: number;
  readonly addressRules: AddressRules;
  /** Above this number of open connections, idle connections are closed. Connections in use are never closed. */
  readonly mostConnections: number;
  /**
   * A forward proxy: every request goes through it by CONNECT. The proxy resolves the names, so it must check their addresses;
   * the worker then checks only IP literals and ports. @default none
   */
  readonly egressProxy?: string | undefined;
  /** How names are resolved. @default DNS, then the system for names that DNS does not know */
  readonly resolve?: ResolveAll;
};

/** The longest time that an idle connection is kept, whatever its endpoint asks for. */
const KEEP_ALIVE_MAX_MS = 60_000;

/** The dispatcher for all deliveries: keeps connections alive, follows no redirects, decompresses nothing. */
export function createDispatcher(options: DispatcherOptions): Pick<Dispatcher, 'dispatch' | 'destroy'> {
  // A longer dial would hold a socket after its attempt is over.
  const timeout = Math.min(options.connectTimeoutMs, options.attemptTimeoutMs);
  const common = {
    // `sender.ts` checks the deadlines of all attempts; undici's own timers would only do that again.
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    allowH2: false,
    // undici's default allows endpoints up to ten minutes: with very many host names, idle connections could use up the file
    // descriptors.
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
    // If a name has several addresses, the dial of each address except the last may take this time. With Node's default (250 ms),
    // the dial of a distant endpoint is given up, and the error is that of an IPv6 address that this machine cannot reach.
    autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(timeout / 4)),
  };
  return new OriginPools({ ...common, connect }, options.mostConnections);
}
