import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { RequestHeader } from '../core/request/header-names.ts';
import { errorCode, UserError } from '../runtime/failure.ts';
import { type ReceivedTotals, SeenIds } from './seen-ids.ts';

export type ReceiverOptions = {
  /** 0: any free one. @default 0. */
  readonly port?: number;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** What requests are answered with; with `failFirst`, those that fail. @default 200; with `failFirst`, 500. */
  readonly status?: number;
  /** Wait before each answer, in milliseconds. @default 0. */
  readonly delayMs?: number;
  /** The first attempts of each `webhook-id` that fail; later ones are answered 200. @default 0. */
  readonly failFirst?: number;
  /** How much of each body is kept for `onRequest`, in bytes; the rest is read and counted. @default 65_536. */
  readonly keepBodyBytes?: number;
};

export type ReceivedRequest = {
  readonly at: Date;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly webhookId: string | undefined;
  /** How many times this `webhook-id` has come; 1 is the first. */
  readonly attempt: number;
  /** What it is answered with. */
  readonly status: number;
  /** Its first `keepBodyBytes`. */
  readonly body: Buffer;
  /** The size of the whole body. */
  readonly bodyBytes: number;
};

export interface Receiver {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  received(): ReceivedTotals;
  /** Breaks off what is under way. Safe to call twice. */
  close(): Promise<void>;
}

/** Longer than clients keep an idle connection: one that is closed just as it is used again fails a delivery. */
const KEEP_ALIVE_MS = 120_000;

/**
 * An endpoint to try deliveries on: answers every request, as told, and counts by `webhook-id`.
 *
 * @param onRequest Told of each request once its body is read, before it is answered.
 * @throws {UserError} when it cannot listen there.
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
    onRequest({ at, method, path, headers, webhookId, attempt, status, ...read });
    if (delayMs > 0) await wait(delayMs);
    response.statusCode = status;
    response.end(status < 300 ? undefined : `the receiver was told to answer ${status}\n`);
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

/** Null when the client went away. */
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
        `Port ${port} is in use: stop the program that listens on it, or choose another with --port (0: any free one).`,
      );
    case 'EACCES':
      return new UserError(
        `Port ${port} needs more rights than this user has: choose one above 1023 with --port.`,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new UserError(
        `--host: ${host} is no address of this machine; 127.0.0.1 and 0.0.0.0 always are.`,
      );
    default:
      return error;
  }
}

/** As others reach it: a server on all addresses is reached on the loopback one. */
function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
