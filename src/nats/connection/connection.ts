import { setTimeout as wait } from 'node:timers/promises';
import { type ConnectionOptions, connect, ErrorCode, type NatsConnection } from 'nats';
import { errorCode } from '../../runtime/failure.ts';
import { type NatsAddress, parseAddress, printAddress } from './address.ts';
import type { NatsClient, NatsLog } from './client.ts';
import { judgeConnectFailure } from './connect-failure.ts';
import { followConnection } from './connection-events.ts';
import { type CredentialOptions, type Credentials, credentialsFrom } from './credentials.ts';
import { awaitJetStream } from './jetstream-ready.ts';
import { createRetryDelay } from './retry-delay.ts';
import { readServerRefusal } from './server-greeting.ts';
import { refuseOldServer } from './server-version.ts';
import { type Tls, type TlsFiles, tlsFrom } from './tls.ts';

export type NatsOptions = CredentialOptions & {
  /** The servers of NATS_URL, at least one. The client uses one that answers, and moves to another when that one is lost. */
  readonly servers: readonly string[];
  /** Demands TLS, as a `tls://` server in NATS_URL does. If undefined, TLS is still used where the server demands it. */
  readonly tls?: TlsFiles | undefined;
  /** Shown by `nats server report connections`. */
  readonly name: string;
  /** JetStream domain, if JetStream is behind a leaf node. @default none. */
  readonly jsDomain?: string | undefined;
  readonly log: NatsLog;
  /** Ends the wait for a server that does not answer, in this function and in every later use of the client. */
  readonly signal?: AbortSignal | undefined;
};

/** How long one server may take to accept, greet and log us in, in milliseconds. Above: this dial fails. */
const DIAL_TIMEOUT_MS = 5000;
/**
 * Time between two pings, in milliseconds. After two pings without a reply, the third timer closes the connection: a dead
 * connection is noticed within 15 to 20 s.
 */
const PING_INTERVAL_MS = 5000;
const RECONNECT_WAIT_MS = 250;
const CLOSING_FLUSH_MS = 1000;

/** How the hint of `nats.unreachable` ends. */
export const UNTIL_IT_ANSWERS = ' The client tries until NATS answers.';

/**
 * Connects to NATS and waits until JetStream answers. While NATS does not answer, the client tries without a time limit.
 * After the first connect, the client reconnects without a time limit.
 *
 * @throws {UserError} for causes that no wait cures: a wrong URL or login, TLS, a server that is too old or is not NATS,
 * JetStream switched off.
 * @throws the reason of the signal, if the signal is aborted meanwhile.
 */
export async function connectToNats(options: NatsOptions): Promise<NatsClient> {
  const signal = options.signal ?? new AbortController().signal;
  const addresses = options.servers.map(parseAddress);
  const credentials = credentialsFrom(options, addresses);
  const tls = tlsFrom(options.tls, addresses);
  const dialing = { ...options, addresses, credentials, tls, signal };
  const connection = await connectUntilLoggedIn(dialing);
  const { log, jsDomain } = options;
  const server = connection.getServer();
  const version = connection.info?.version ?? '';
  const tooOld = refuseOldServer(version, server);
  if (tooOld !== undefined) {
    await connection.close();
    throw tooOld;
  }
  log.info({ server, version }, 'nats.connected');
  tls?.trustAnnounced(connection);
  const state = followConnection(connection, log, credentials);
  const client: NatsClient = {
    connection,
    apiPrefix: jsDomain === undefined ? '$JS.API' : `$JS.${jsDomain}.API`,
    manager: await connection.jetstreamManager({
      checkAPI: false,
      ...(jsDomain !== undefined && { domain: jsDomain }),
    }),
    log,
    signal,
    isConnected: state.isConnected,
    listen: state.listen,
    denied: state.denied,
    closed: connection.closed().then((reason) => state.endedBy() ?? (reason || undefined)),
    async close() {
      if (state.isConnected())
        await Promise.race([connection.flush().catch(() => {}), wait(CLOSING_FLUSH_MS)]);
      await connection.close();
    },
  };
  try {
    await awaitJetStream(client, jsDomain);
  } catch (error) {
    await connection.close();
    throw error;
  }
  return client;
}

type Dialing = Pick<NatsOptions, 'name' | 'log'> & {
  readonly addresses: readonly NatsAddress[];
  readonly credentials: Credentials;
  readonly tls: Tls | undefined;
  readonly signal: AbortSignal;
};

async function connectUntilLoggedIn(options: Dialing): Promise<NatsConnection> {
  const { credentials, signal } = options;
  const servers = options.addresses.map(printAddress).join(', ');
  const delay = createRetryDelay(options.log, signal);
  for (;;) {
    try {
      const dialing = connect({
        ...dialOptions(options),
        ...(credentials.authenticator !== undefined && { authenticator: credentials.authenticator }),
      });
      return await unlessAborted(dialing, signal);
    } catch (error) {
      signal.throwIfAborted();
      const failure = judgeConnectFailure(error, {
        servers,
        credentials,
        demandsTls: options.tls !== undefined,
      });
      if (failure.kind === 'never') throw failure.error;
      const objection =
        errorCode(error) === ErrorCode.Timeout ? await firstServerRefusal(options.addresses) : null;
      const reason = objection ?? failure.reason;
      const hint = `NATS at ${servers} cannot be reached yet (${reason}).${UNTIL_IT_ANSWERS}`;
      await delay.wait({ servers, error: reason, hint }, 'nats.unreachable');
    }
  }
}

async function firstServerRefusal(addresses: readonly NatsAddress[]): Promise<string | null> {
  const objections = await Promise.all(addresses.map(readServerRefusal));
  return objections.find((objection) => objection !== null) ?? null;
}

function dialOptions({ tls, name, addresses }: Dialing): ConnectionOptions {
  const servers = shuffled(addresses.map(({ hostPort }) => hostPort));
  return {
    // The client removes a server that fails before the first connect. A server that is listed twice stays known.
    servers: servers.length === 1 ? servers : [...servers, ...servers],
    noRandomize: true,
    name,
    timeout: DIAL_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_WAIT_MS,
    reconnectJitterTLS: RECONNECT_WAIT_MS,
    ignoreAuthErrorAbort: true,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    noAsyncTraces: true,
    // The client's own look-up ignores /etc/hosts and hangs without DNS. With TLS it stays on, because it keeps the host name.
    resolve: tls !== undefined,
    ...(tls !== undefined && { tls: tls.options }),
  };
}

/** Returns the connection, or throws the reason of the signal at once. A connection that comes later is closed. */
async function unlessAborted(dialing: Promise<NatsConnection>, signal: AbortSignal): Promise<NatsConnection> {
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      reject(signal.reason);
      dialing.then((late) => late.close()).catch(() => {});
    };
  });
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([dialing, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function shuffled<T>(values: readonly T[]): T[] {
  return values
    .map((value) => ({ value, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ value }) => value);
}
