import { Agent, type Dispatcher } from 'undici';
import type { AddressRules } from '../core/address.ts';
import type { Attempt } from '../core/attempt.ts';
import type { Delivery } from '../core/delivery.ts';
import { checkedLookup, type ResolveAll } from './checked-lookup.ts';
import { Exchange } from './exchange.ts';

export type SenderOptions = {
  /** From dialing to the end of the response, in milliseconds. */
  readonly attemptTimeoutMs: number;
  /** DNS, TCP and TLS together, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How much of a response is read; the connection of a longer one is closed. */
  readonly maxResponseBytes: number;
  readonly addressRules: AddressRules;
  /** Sent where the message names none. */
  readonly userAgent: string;
  /** How names become addresses. @default the system's resolver. */
  readonly resolve?: ResolveAll;
};

/** How far past its deadline an attempt may go before the sweep sees it, in milliseconds. */
const SWEEP_MS = 50;

export interface Sender {
  /** One HTTP request. Resolves always, and at the latest when the attempt's time is over. */
  send(delivery: Delivery): Promise<Attempt>;
  /** Ends every attempt under way as `aborted`. */
  abortAll(): void;
  close(): Promise<void>;
}

/**
 * The sending client: one undici Agent, kept-alive connections, no redirects, nothing decompressed.
 * `dispatch` with a handler of our own costs half of `request()`, and one sweep over the attempts under way
 * replaces a timer or an AbortSignal for each.
 */
export function createSender(options: SenderOptions): Sender {
  // A dial that outlives its attempt would hold a socket that nobody waits for.
  const connectTimeoutMs = Math.min(options.connectTimeoutMs, options.attemptTimeoutMs);
  const agent = new Agent({
    connect: {
      timeout: connectTimeoutMs,
      lookup: checkedLookup(options.addressRules, options.resolve),
      // Of several addresses, each but the last has this long. Node's 250 ms give up on a distant endpoint, and then
      // end with the error of an IPv6 address that this machine cannot reach at all.
      autoSelectFamilyAttemptTimeout: Math.max(10, Math.round(connectTimeoutMs / 4)),
    },
    // The sweep is the deadline; undici's own timers would only repeat it.
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    allowH2: false,
  });
  const underWay = new Set<Exchange>();
  let sweep: NodeJS.Timeout | undefined;

  function sweepOverdue(): void {
    const now = performance.now();
    for (const exchange of underWay) {
      if (exchange.deadline <= now) exchange.timeOut();
    }
  }

  function watch(exchange: Exchange): void {
    underWay.add(exchange);
    sweep ??= setInterval(sweepOverdue, Math.min(SWEEP_MS, options.attemptTimeoutMs / 4));
  }

  function unwatch(exchange: Exchange): void {
    underWay.delete(exchange);
    if (underWay.size > 0) return;
    clearInterval(sweep);
    sweep = undefined;
  }

  async function send(delivery: Delivery): Promise<Attempt> {
    const startedAt = Date.now();
    const forbidden = options.addressRules.checkHost(delivery.target.hostname);
    if (forbidden !== null) {
      return { outcome: { kind: 'refused', detail: forbidden }, startedAt, durationMs: 0 };
    }
    const exchange = new Exchange(options.attemptTimeoutMs, options.maxResponseBytes);
    watch(exchange);
    try {
      agent.dispatch(requestOf(delivery, startedAt, options.userAgent), exchange);
    } catch (error) {
      exchange.fail(error);
    }
    const outcome = await exchange.outcome;
    unwatch(exchange);
    return { outcome, startedAt, durationMs: exchange.durationMs };
  }

  return {
    send,
    abortAll: () => {
      for (const exchange of underWay) exchange.abort();
    },
    close: () => agent.destroy(),
  };
}

function requestOf(delivery: Delivery, startedAt: number, userAgent: string): Dispatcher.DispatchOptions {
  const headers = [...delivery.headers];
  headers.push('webhook-id', delivery.id, 'webhook-timestamp', String(Math.floor(startedAt / 1000)));
  if (!hasHeader(delivery.headers, 'user-agent')) headers.push('user-agent', userAgent);
  return {
    origin: delivery.target.origin,
    path: delivery.target.path,
    method: delivery.method,
    headers,
    body: delivery.body,
    // Else undici closes the connection after a DELETE that has a body.
    reset: false,
  };
}

function hasHeader(headers: readonly string[], name: string): boolean {
  for (let index = 0; index < headers.length; index += 2) {
    if (headers[index]!.length === name.length && headers[index]!.toLowerCase() === name) return true;
  }
  return false;
}
