import { isIPv4 } from 'node:net';
import type { Dispatcher } from 'undici';
import { detachedText } from '../core/detached-text.ts';
import type { Outcome } from '../core/retry/attempt.ts';
import { parseRetryAfter } from '../core/retry/backoff.ts';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import { ADDRESS_REFUSED, type AddressRefusal } from './checked-lookup.ts';
import { EGRESS_PROXY_AWAY, EGRESS_PROXY_LOGIN } from './proxy-pool.ts';

/** The start of a failure's body is kept in the attempt row, up to this length, in bytes. */
const EXCERPT_BYTES = 1024;

/**
 * The longest part of an error's message that is kept, in characters: the error for a wrong certificate lists all its host names.
 */
const MAX_DETAIL = 1024;

/** Codes of errors that this machine or the egress proxy causes, not the endpoint. */
const LOCAL_FAULT_CODES = new Set([
  EGRESS_PROXY_AWAY,
  EGRESS_PROXY_LOGIN,
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
]);

type Controller = Dispatcher.DispatchController;

/**
 * One request and its response, as reported by undici. The first event that ends the exchange decides the outcome; later events
 * only close the connection.
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly outcome: Promise<Outcome>;
  /** When the attempt times out, on the clock of `performance.now()`. */
  readonly deadline: number;
  durationMs = 0;

  readonly #begun = performance.now();
  readonly #timeoutMs: number;
  readonly #maxBytes: number;
  readonly #successStatuses: ReadonlySet<number> | undefined;
  #resolve!: (outcome: Outcome) => void;
  #controller: Controller | undefined;
  #ended = false;
  #status = 0;
  #isDeclaredSuccess = false;
  #retryAfterMs: number | null = null;
  #bytes = 0;
  #excerpt: Buffer[] | null = null;

  /** @param successStatuses HTTP statuses that count as delivered in addition to 2xx. */
  constructor(timeoutMs: number, maxBytes: number, successStatuses?: ReadonlySet<number>) {
    this.#timeoutMs = timeoutMs;
    this.#maxBytes = maxBytes;
    this.#successStatuses = successStatuses;
    this.deadline = this.#begun + timeoutMs;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  timeOut(): void {
    this.#end({
      kind: 'timedOut',
      phase: this.#controller === undefined ? 'connect' : 'response',
      afterMs: this.#timeoutMs,
    });
    this.#closeConnection();
  }

  abort(): void {
    this.#end({ kind: 'aborted' });
    this.#closeConnection();
  }

  fail(error: unknown): void {
    this.#end(outcomeOf(error, performance.now() - this.#begun));
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    // The attempt timed out, or was aborted, while the connection was still being made.
    if (this.#ended) this.#closeConnection();
  }

  onResponseStart(_controller: Controller, status: number, headers: Record<string, string | string[]>): void {
    this.#status = status;
    // Interim answers (1xx) come before the final answer.
    if (status < 300) return;
    this.#isDeclaredSuccess = this.#successStatuses?.has(status) ?? false;
    if (this.#isDeclaredSuccess) return;
    this.#excerpt = [];
    // If the header occurs twice, the first value counts.
    const [retryAfter] = [headers['retry-after']].flat();
    if (retryAfter !== undefined) this.#retryAfterMs = parseRetryAfter(retryAfter, Date.now());
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    if (this.#excerpt !== null && this.#bytes < EXCERPT_BYTES) {
      this.#excerpt.push(chunk.subarray(0, EXCERPT_BYTES - this.#bytes));
    }
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#maxBytes) return;
    this.#responded();
    this.#closeConnection();
  }

  onResponseEnd(): void {
    this.#responded();
  }

  onResponseError(_controller: Controller, error: Error): void {
    this.fail(error);
  }

  #responded(): void {
    this.#end({
      kind: 'responded',
      status: this.#status,
      retryAfterMs: this.#retryAfterMs,
      excerpt: this.#excerpt === null ? null : Buffer.concat(this.#excerpt).toString('utf8'),
      ...(this.#isDeclaredSuccess && { isDeclaredSuccess: true }),
    });
  }

  #end(outcome: Outcome): void {
    if (this.#ended) return;
    this.#ended = true;
    this.durationMs = performance.now() - this.#begun;
    this.#resolve(outcome);
  }

  #closeConnection(): void {
    // undici passes this error only to onResponseError, which has no effect now.
    this.#controller?.abort(new Error('the attempt is over'));
  }
}

function outcomeOf(error: unknown, afterMs: number): Outcome {
  const cause = relevantError(error);
  const code = errorCode(cause) ?? 'UNKNOWN';
  if (code === ADDRESS_REFUSED)
    return { kind: 'blocked', detail: detailOf(cause), addresses: (cause as AddressRefusal).addresses };
  if (isLocalFault(cause)) return { kind: 'localFault', code };
  if (code === 'UND_ERR_CONNECT_TIMEOUT') {
    return { kind: 'timedOut', phase: 'connect', afterMs: Math.round(afterMs) };
  }
  return { kind: 'unreachable', code, detail: detailOf(cause) };
}

function detailOf(error: unknown): string {
  return detachedText(errorMessage(error), MAX_DETAIL);
}

/**
 * If a host has several addresses, each address has an error of its own. The failure is a local fault only if all of them are.
 */
function relevantError(error: unknown): unknown {
  if (!(error instanceof AggregateError)) return error;
  return error.errors.find((each) => !isLocalFault(each)) ?? error.errors[0] ?? error;
}

function isLocalFault(error: unknown): boolean {
  const code = errorCode(error);
  // For an IPv4 address: no local port is left for this endpoint. For an IPv6 address: this machine has no IPv6, and waiting does
  // not help.
  if (code === 'EADDRNOTAVAIL') return isIPv4((error as { address?: string }).address ?? '');
  return code !== undefined && LOCAL_FAULT_CODES.has(code);
}
