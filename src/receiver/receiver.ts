import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { RequestHeader } from '../core/request/header-names.ts';
import { errorCode, UserError } from '../runtime/failure.ts';
import { type ReceivedTotals, SeenIds } from './seen-ids.ts';

export type ReceiverOptions = {
  /** 0: any free port. @default 0. */
  readonly port?: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** The status of all answers; with `failFirst`, of the failures only. @default 200; with `failFirst`, 500. */
  readonly status?: number;
  /** The wait before each answer, in milliseconds. @default 0. */
  readonly delayMs?: number;
  /** How many first attempts of each `webhook-id` fail. Later attempts are answered with 200. @default 0. */
  readonly failFirst?: number;
  /** How much of each body is kept for `onRequest`, in bytes. The rest is read and counted. @default 65_536. */
  readonly keepBodyBytes?: number;
};

export type ReceivedRequest = {
  readonly at: Date;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly webhookId: string | undefined;
  /** How many requests with this `webhook-id` have come, with this one. */
  readonly attempt: number;
  /** The status of the answer. */
  readonly status: number;
  /** The wait before the answer, in milliseconds. */
  readonly delayMs: number;
  /** The first `keepBodyBytes` of the body. */
  readonly body: Buffer;
  /** The size of the whole body. */
  readonly bodyBytes: number;
};

export interface Receiver {
  /** Without a slash at the end. */
  readonly url: string;
  readonly port: number;
  received(): ReceivedTotals;
  /** Breaks all connections. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * How long an idle connection is kept, in milliseconds. Longer than clients keep it: below that, the receiver could close a
 * connection at the moment when a client uses it again, and the delivery would fail.
 */
const KEEP_ALIVE_MS = 120_000;

/**
 * An endpoint for trying deliveries: answers every request as its options say, and counts the requests by `webhook-id`.
 *
 * @param onRequest Called for each request after its body was read, before it is answered.
 * @throws {UserError} if it cannot listen on the port.
 */
export async function startReceiver(
  options: ReceiverOptions = {},
  onRequest: (request: ReceivedRequest) => void = () => {},
): Promise<Receiver> {
  const { delayMs = 0, keepBodyBytes = 65_536 } = options;
  const ids = new SeenIds();
  const answer = answering(options);

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, async (request, response) => {
    const at = new Date();
    const read = await readBody(request, keepBodyBytes);
    if (read === null) return;
    const webhookId = request.headers[RequestHeader.id]?.toString();
    const { attempt, status } = ids.add(webhookId, answer);
    const { method = '', url: path = '', headers } = request;
    onRequest({ at, method, path, headers, webhookId, attempt, status, delayMs, ...read });
    if (delayMs > 0) await wait(delayMs);
    response.statusCode = status;
    response.end(status < 300 ? undefined : `the receiver is set to answer ${status}\n`);
  });
  const port = await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  return {
    url: `http://${hostInUrl(options.host ?? '127.0.0.1')}:${port}`,
    port,
    received: () => ids.totals(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answering({ failFirst = 0, status }: ReceiverOptions): (attempt: number) => number {
  if (failFirst === 0) return () => status ?? 200;
  return (attempt) => (attempt <= failFirst ? (status ?? 500) : 200);
}

/** Null if the client closed the connection. */
function readBody(
  request: IncomingMessage,
  keep: number,
): Promise<{ body: Buffer; bodyBytes: number } | null> {
  return new Promise((resolve) => {
    const kept: Buffer[] = [];
    let bodyBytes = 0;
    request.on('data', (chunk: Buffer) => {
      if (bodyBytes < keep) kept.push(chunk.subarray(0, keep - bodyBytes));
      bodyBytes += chunk.length;
    });
    request.on('end', () => resolve({ body: Buffer.concat(kept), bodyBytes }));
    request.on('error', () => resolve(null));
  });
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(cannotListen(error, port, host)));
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

function cannotListen(error: unknown, port: number, host: string): unknown {
  switch (errorCode(error)) {
    case 'EADDRINUSE':
      return new UserError(
        `Port ${port} is in use: stop the program that listens on it, or choose another port with --port (0: any free port).`,
      );
    case 'EACCES':
      return new UserError(
        `Port ${port} needs more rights than this user has: choose a port above 1023 with --port.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(
        `--host: ${host} is not an address of this machine; 127.0.0.1 and 0.0.0.0 always are.`,
      );
    default:
      return error;
  }
}

/** The host for the URL: a server on all addresses is reached by the loopback address. */
function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
