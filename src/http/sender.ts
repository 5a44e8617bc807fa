import type { Dispatcher } from 'undici';
import { type Signing, signatureHeaders } from '../core/endpoint/signature.ts';
import type { Delivery } from '../core/message/delivery.ts';
import { RequestHeader } from '../core/request/header-names.ts';
import type { Attempt } from '../core/retry/attempt.ts';
import { LazyTimer } from '../runtime/lazy-timer.ts';
import { HttpExchange } from './exchange.ts';
import { createSendingClient, type SendingClientOptions } from './sending-client.ts';

export type SenderOptions = SendingClientOptions & {
  /** The longest part of a response that is read, in bytes. If a response is longer, its connection is closed. */
  readonly maxResponseBytes: number;
  /** Signs requests to URLs that messages name themselves. @default null: not signed */
  readonly signing?: Signing | null;
  /** Sent if the message has no User-Agent. */
  readonly userAgent: string;
};

/** The interval between two checks of all attempts, in milliseconds. An attempt may exceed its deadline by this time. */
const SWEEP_MS = 50;

export interface Sender {
  /**
   * Sends one HTTP request, and once more if a kept connection breaks before a byte of the answer. Never rejects, and resolves at
   * the latest when the attempt times out.
   */
  send(delivery: Delivery): Promise<Attempt>;
  /** Ends every attempt in flight as `aborted`. */
  abortAll(): void;
  close(): Promise<void>;
}

/**
 * The client that sends webhooks. `dispatch` with a handler of our own costs half as much as `request()`. One regular check of
 * all attempts in flight replaces a timer or an AbortSignal per attempt.
 */
export function createSender(options: SenderOptions): Sender {
  const client = createSendingClient(options);
  const underWay = new Set<HttpExchange>();
  const sweeps = new LazyTimer(Math.min(SWEEP_MS, options.attemptTimeoutMs / 4), sweepOverdue);

  function sweepOverdue(): void {
    const now = performance.now();
    for (const exchange of underWay) exchange.check(now);
  }

  function watch(exchange: HttpExchange): void {
    underWay.add(exchange);
    sweeps.start();
  }

  function unwatch(exchange: HttpExchange): void {
    underWay.delete(exchange);
    if (underWay.size === 0) sweeps.stop();
  }

  async function send(delivery: Delivery): Promise<Attempt> {
    const startedAt = Date.now();
    const { checkHost, checkPort } = options.addressRules;
    const forbidden = checkHost(delivery.target.hostname) ?? checkPort(delivery.target.port);
    if (forbidden !== null) {
      return { outcome: { kind: 'blocked', detail: forbidden }, startedAt, durationMs: 0 };
    }
    const timeoutMs = delivery.endpoint?.row.timeoutMs ?? options.attemptTimeoutMs;
    const exchange = new HttpExchange(
      client,
      timeoutMs,
      options.maxResponseBytes,
      delivery.endpoint?.successStatuses,
    );
    watch(exchange);
    try {
      exchange.send(requestOf(delivery, startedAt, options));
    } catch (error) {
      exchange.fail(error);
    }
    const outcome = await exchange.outcome;
    unwatch(exchange);
    exchange.release();
    const { durationMs, wasResent } = exchange;
    return wasResent ? { outcome, startedAt, durationMs, wasResent } : { outcome, startedAt, durationMs };
  }

  return {
    send,
    abortAll: () => {
      for (const exchange of underWay) exchange.abort();
    },
    close: () => client.destroy(),
  };
}

function requestOf(
  delivery: Delivery,
  startedAt: number,
  { userAgent, signing: ofUrls = null }: SenderOptions,
): Dispatcher.DispatchOptions {
  const headers = [...delivery.headers];
  const timestamp = String(Math.floor(startedAt / 1000));
  headers.push(RequestHeader.id, delivery.id, RequestHeader.timestamp, timestamp);
  const signing = delivery.endpoint === null ? ofUrls : delivery.endpoint.signing;
  if (signing !== null) headers.push(...signatureHeaders(signing, delivery.id, timestamp, delivery.body));
  if (!hasHeader(delivery.headers, RequestHeader.userAgent)) headers.push(RequestHeader.userAgent, userAgent);
  return {
    origin: delivery.target.origin,
    path: delivery.target.path,
    method: delivery.method,
    headers,
    body: delivery.body,
    // Without this, undici closes the connection after a DELETE with a body.
    reset: false,
  };
}

function hasHeader(headers: readonly string[], name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]!.length === name.length && headers[index]!.toLowerCase() === name) return true;
  }
  return false;
}
