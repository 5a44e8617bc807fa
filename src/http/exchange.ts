import type { Dispatcher } from 'undici';
import { type Outcome, wasSent } from '../core/retry/attempt.ts';
import { parseRetryAfter } from '../core/retry/backoff.ts';
import type { Connection, ConnectionUser } from './connection-watch.ts';
import { isBrokenConnection, outcomeOfError } from './outcome-of-error.ts';
import type { SendingClient } from './sending-client.ts';

/** The start of a failure's body is kept in the attempt row, up to this length, in bytes. */
const EXCERPT_BYTES = 1024;

/**
 * How long the rest of an answer may take once its final status has come, in milliseconds. Below it, the connection can be used
 * again, and the body of a failure is read. Above it, the connection is closed, because the status alone decides, and the attempt
 * holds a slot. Too low: connections of slow bodies are not used again. Too high: bodies that never end hold slots.
 */
const REST_MS = 1000;

type Controller = Dispatcher.DispatchController;

/**
 * One request and its response, as reported by undici. The first event that ends the exchange decides the outcome; later events
 * only close the connection. Once a final status has come, it is the outcome, whatever happens to the rest of the response.
 */
export class HttpExchange implements Dispatcher.DispatchHandler, ConnectionUser {
  readonly outcome: Promise<Outcome>;
  /** When the attempt times out, on the clock of `performance.now()`. */
  readonly deadline: number;
  durationMs = 0;
  /** True if the request was written twice, because a kept connection broke. */
  wasResent = false;

  readonly #begun = performance.now();
  readonly #client: SendingClient;
  readonly #timeoutMs: number;
  readonly #maxBytes: number;
  readonly #successStatuses: ReadonlySet<number> | undefined;
  #request!: Dispatcher.DispatchOptions;
  #resolve!: (outcome: Outcome) => void;
  #controller: Controller | undefined;
  #connection: Connection | undefined;
  /** The error of the kept connection that broke; the request is sent again on a connection of its own. */
  #firstError: Error | undefined;
  #closeOwn: (() => void) | undefined;
  #ended = false;
  #status = 0;
  #retryAfterMs: number | null = null;
  #bytes = 0;
  /** When `check` first saw the final status. */
  #statusSeenAt: number | undefined;
  #excerpt: Buffer[] | null = null;

  /**
   * @param maxBytes The longest part of the body that is read.
   * @param successStatuses HTTP statuses that count as delivered in addition to 2xx.
   */
  constructor(
    client: SendingClient,
    timeoutMs: number,
    maxBytes: number,
    successStatuses?: ReadonlySet<number>,
  ) {
    this.#client = client;
    this.#timeoutMs = timeoutMs;
    this.#maxBytes = maxBytes;
    this.#successStatuses = successStatuses;
    this.deadline = this.#begun + timeoutMs;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** To be called once. @throws if the request cannot be made */
  send(request: Dispatcher.DispatchOptions): void {
    this.#request = request;
    this.#client.dispatch(request, this);
  }

  /** To be called regularly. @param now On the clock of `performance.now()`. */
  check(now: number): void {
    if (this.deadline <= now) this.timeOut();
    else if (this.#finalStatus !== 0) {
      this.#statusSeenAt ??= now;
      if (now - this.#statusSeenAt < REST_MS) return;
      this.#endAnswered(this.#finalStatus);
      this.#closeConnection();
    }
  }

  timeOut(): void {
    const phase = this.#controller === undefined ? 'connect' : 'response';
    this.#endUnanswered({ kind: 'timedOut', phase, afterMs: this.#timeoutMs });
    this.#closeConnection();
  }

  abort(): void {
    this.#endUnanswered({ kind: 'aborted' });
    this.#closeConnection();
  }

  fail(error: unknown): void {
    const afterMs = performance.now() - this.#begun;
    const outcome = outcomeOfError(error, afterMs);
    // The first request was sent, so "nothing was sent" would be wrong.
    if (this.#firstError !== undefined && !wasSent(outcome)) {
      this.#endUnanswered(outcomeOfError(this.#firstError, afterMs));
    } else this.#endUnanswered(outcome);
  }

  /** To be called when the attempt is over. */
  release(): void {
    this.#closeOwn?.();
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    this.#client.requestStarts(this.#ended ? null : this);
    // The attempt timed out, or was aborted, while the connection was still being made.
    if (this.#ended) this.#closeConnection();
  }

  onConnection(connection: Connection): void {
    this.#connection = connection;
    this.wasResent = this.#firstError !== undefined;
  }

  onResponseStart(_controller: Controller, status: number, headers: Record<string, string | string[]>): void {
    // An interim answer comes before the final answer.
    if (status < 200) return;
    this.#status = status;
    this.#connection?.answer.headersWereRead();
    if (status < 300 || this.#isDeclaredSuccess) return;
    this.#excerpt = [];
    // If the header occurs twice, the first value counts.
    const [retryAfter] = [headers['retry-after']].flat();
    const [sentAt] = [headers.date].flat();
    this.#readRetryAfter(retryAfter, sentAt);
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    if (this.#excerpt !== null && this.#bytes < EXCERPT_BYTES) {
      this.#excerpt.push(chunk.subarray(0, EXCERPT_BYTES - this.#bytes));
    }
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#maxBytes) return;
    this.#endAnswered(this.#status);
    this.#closeConnection();
  }

  onResponseEnd(): void {
    this.#endAnswered(this.#status);
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#mayResend(error)) this.#resend(error);
    else this.fail(error);
  }

  #readRetryAfter(value: string | undefined, sentAt?: string): void {
    if (value !== undefined) this.#retryAfterMs = parseRetryAfter(value, sentAt, Date.now());
  }

  /** 0: no final status has come. */
  get #finalStatus(): number {
    return this.#status || (this.#connection?.answer.status ?? 0);
  }

  get #isDeclaredSuccess(): boolean {
    return this.#successStatuses?.has(this.#status) ?? false;
  }

  /** An endpoint may close an idle connection at any time, also while a request is on its way (RFC 9110, 9.2.2). */
  #mayResend(error: Error): boolean {
    return (
      !this.#ended &&
      this.#firstError === undefined &&
      this.#connection?.brokeWhenReused === true &&
      isBrokenConnection(error) &&
      performance.now() < this.deadline
    );
  }

  /** On a connection of its own: other kept connections may be broken as well. */
  #resend(error: Error): void {
    this.#firstError = error;
    this.#controller = undefined;
    this.#connection = undefined;
    try {
      this.#closeOwn = this.#client.dispatchAlone(this.#request, this);
    } catch {
      this.fail(error);
    }
  }

  /** The end of the exchange without a whole response: if a final status has come, it counts instead of `outcome`. */
  #endUnanswered(outcome: Outcome): void {
    const status = this.#finalStatus;
    if (status === 0) this.#end(outcome);
    else this.#endAnswered(status);
  }

  #endAnswered(status: number): void {
    if (this.#ended) return;
    this.#status = status;
    const isDeclaredSuccess = this.#isDeclaredSuccess;
    const isFailure = status >= 300 && !isDeclaredSuccess;
    // The headers broke, so undici did not report them.
    if (isFailure && this.#excerpt === null) this.#readRetryAfter(this.#connection?.answer.retryAfter());
    this.#end({
      kind: 'responded',
      status,
      retryAfterMs: this.#retryAfterMs,
      excerpt: isFailure ? Buffer.concat(this.#excerpt ?? []).toString('utf8') : null,
      ...(isDeclaredSuccess && { isDeclaredSuccess }),
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
    const error = new Error('the attempt is over');
    if (this.#connection === undefined) this.#controller?.abort(error);
    else this.#connection.close(error);
  }
}
