import { buildConnector, type Dispatcher, Pool, ProxyAgent } from 'undici';
import type { AddressRules } from '../core/endpoint/address.ts';
import { checkedLookup, type ResolveAll } from './checked-lookup.ts';
import { type ConnectionUser, ConnectionWatch } from './connection-watch.ts';
import { OriginPools } from './origin-pools.ts';
import { type ClientOptions, createProxyPool } from './proxy-pool.ts';
import { createNameResolver } from './resolve-name.ts';

export type SendingClientOptions = {
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
  /** How names are resolved. @default as `createNameResolver` says */
  readonly resolve?: ResolveAll;
};

/** The client of undici for all deliveries. */
export interface SendingClient {
  /** @throws after `destroy`: with the code UND_ERR_DESTROYED */
  dispatch(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  /** Sends a request on a new connection, which serves no other request. @returns closes that connection */
  dispatchAlone(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): () => void;
  /** To be called by a handler in `onRequestStart`. Null: the request will not be written. */
  requestStarts(user: ConnectionUser | null): void;
  /** Breaks all connections. */
  destroy(): Promise<void>;
}

type Requests = Pick<Dispatcher, 'dispatch' | 'destroy'>;

/** The longest time that an idle connection is kept, whatever its endpoint asks for. */
const KEEP_ALIVE_MAX_MS = 60_000;

/** The longest headers of a response that are read, in bytes. undici's default is 16 KB. */
const MAX_HEADER_BYTES = 65_536;

const POOL_OPTIONS = {
  // `sender.ts` checks the deadlines of all attempts; undici's own timers would only do that again.
  headersTimeout: 0,
  bodyTimeout: 0,
  pipelining: 1,
  allowH2: false,
  maxHeaderSize: MAX_HEADER_BYTES,
  // undici's default allows endpoints up to ten minutes: with very many host names, idle connections could use up the file
  // descriptors.
  keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
};

/** Keeps connections alive, follows no redirects, decompresses nothing. */
export function createSendingClient(options: SendingClientOptions): SendingClient {
  const watch = new ConnectionWatch();
  // A longer dial would hold a socket after its attempt is over.
  const timeout = Math.min(options.connectTimeoutMs, options.attemptTimeoutMs);
  const { egressProxy } = options;
  if (egressProxy !== undefined) {
    const openAgent = () => openProxyAgent(egressProxy, timeout, watch);
    return clientOf(openAgent(), openAgent, watch);
  }
  const dialOptions = {
    allowH2: false,
    timeout,
    lookup: checkedLookup(options.addressRules, options.resolve ?? createNameResolver()),
    // If a name has several addresses, the dial of each address except the last may take this time. With Node's default (250 ms),
    // the dial of a distant endpoint is given up, and the error is that of an IPv6 address that this machine cannot reach.
    autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(timeout / 4)),
  };
  // A connector for each pool, because a connector remembers only a hundred TLS sessions.
  const openPool = (origin: string) =>
    new Pool(origin, { ...POOL_OPTIONS, connect: watch.watch(withServerName(buildConnector(dialOptions))) });
  return clientOf(new OriginPools(openPool, options.mostConnections), openPool, watch);
}

function openProxyAgent(uri: string, timeout: number, watch: ConnectionWatch): ProxyAgent {
  return new ProxyAgent({
    ...POOL_OPTIONS,
    uri,
    proxyTls: { timeout },
    requestTls: { timeout },
    clientFactory: (origin, options: ClientOptions) => createProxyPool(origin, options, timeout),
    factory: (origin, options: ClientOptions) =>
      new Pool(origin, { ...options, connect: watch.watch(withHostName(options.connect)) }),
  });
}

/** The name in a TLS handshake has no dot at its end (RFC 6066, 3), also where the host name of the URL has one. */
function withServerName(dial: buildConnector.connector): buildConnector.connector {
  return (target, callback) => {
    const { hostname } = target;
    dial(hostname.endsWith('.') ? { ...target, servername: hostname.slice(0, -1) } : target, callback);
  };
}

/** The same through the proxy: undici takes the name from `host`, which is also what the proxy is asked for. */
function withHostName(dial: buildConnector.connector): buildConnector.connector {
  return (target, callback) => {
    const isDotted = target.protocol === 'https:' && target.hostname.endsWith('.');
    const host = target.host?.replace(/\.(?=:|$)/, '');
    dial(isDotted && host !== undefined ? { ...target, host } : target, callback);
  };
}

/** @param openAlone Opens what a single request to this origin needs. */
function clientOf(
  kept: Requests,
  openAlone: (origin: string) => Requests,
  watch: ConnectionWatch,
): SendingClient {
  const alone = new Set<Requests>();
  return {
    dispatch: (request, handler) => void kept.dispatch(request, handler),
    dispatchAlone(request, handler) {
      const opened = openAlone(String(request.origin));
      alone.add(opened);
      // The endpoint hears that it may close this connection.
      opened.dispatch({ ...request, reset: true }, handler);
      return () => {
        if (alone.delete(opened)) void opened.destroy();
      };
    },
    requestStarts: (user) => watch.requestStarts(user),
    async destroy() {
      await Promise.all([kept, ...alone].map((each) => each.destroy()));
    },
  };
}
