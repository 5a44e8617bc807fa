import { createInbox, ErrorCode, type Msg, type MsgHdrs, NatsError, type Subscription } from 'nats';
import { LazyTimer } from '../../runtime/lazy-timer.ts';
import type { NatsClient } from '../connection/client.ts';
import type { DeniedPermission } from '../connection/permissions.ts';

/** A request that is sent until a final reply comes. */
export interface RetriedRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs;
  /**
   * @param timesSent From 2 on, an earlier try may be stored, whatever this reply says.
   * @returns null if the reply is final, else the delay before the next try, in milliseconds.
   */
  onReply(answer: Msg, timesSent: number): number | null;
  /** True if the request must not be sent again. */
  isExpired(now: number, timesSent: number): boolean;
  /**
   * Called once if no final reply came in time, or the request could not be sent. `error` has a NATS error code. `timesSent`: 0 if
   * nothing was sent.
   */
  onFailure(error: unknown, timesSent: number): void;
}

/** How long one try waits for its reply before the request is sent again, in milliseconds. Shorter than an election. */
const TRY_MS = 2000;
const SWEEP_MS = 100;

type OpenRequest = { readonly request: RetriedRequest; timesSent: number; againAt: number };

/**
 * Sends many requests at once, each again and again until a final reply comes, over elections and broken connections. One
 * inbox and one timer serve all requests: with a `request()` of the client per message, these would cost more than the rest.
 */
export class RetryingRequests {
  readonly #client: NatsClient;
  readonly #inbox = createInbox();
  /** Made when it is needed, and again where our user had no right to it. */
  #subscription: Subscription | undefined;
  readonly #open = new Map<string, OpenRequest>();
  /** Not sent yet. All requests of one turn of the event loop go to NATS in one write, because each write costs as much as a request. */
  #queued: string[] = [];
  readonly #release: () => void;
  #lastToken = 0;
  readonly #sweeps = new LazyTimer(SWEEP_MS, () => this.#sweep());
  #emptyListeners: (() => void)[] = [];

  constructor(client: NatsClient) {
    this.#client = client;
    const stopListening = client.listen({
      onReconnect: () => this.#sendAll(),
      onDenied: (right) => this.#onDenied(right),
    });
    this.#release = () => {
      stopListening();
      this.#subscription?.unsubscribe();
    };
    void client.closed.then(() => this.#failAll(NatsError.errorForCode(ErrorCode.ConnectionClosed)));
  }

  /** Sends the request at the end of this turn of the event loop, or after the reconnect. */
  send(request: RetriedRequest): () => void {
    const open = { request, timesSent: 0, againAt: 0 };
    const token = (++this.#lastToken).toString(36);
    this.#open.set(token, open);
    this.#sweeps.start();
    if (this.#client.connection.isClosed())
      this.#fail(token, NatsError.errorForCode(ErrorCode.ConnectionClosed));
    else if (this.#queued.push(token) === 1) setImmediate(() => this.#sendQueued());
    return () => this.#close(token);
  }

  /** Resolves with true when every open request has ended, or with false after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (this.#open.size === 0) return true;
    return new Promise((resolve) => {
      const giveUp = setTimeout(() => resolve(false), timeoutMs);
      this.#emptyListeners.push(() => {
        clearTimeout(giveUp);
        resolve(true);
      });
    });
  }

  /** Fails all open requests, and ends the subscription and the timer. */
  stop(): void {
    this.#release();
    this.#failAll(NatsError.errorForCode(ErrorCode.ConnectionClosed));
    this.#sweeps.stop();
  }

  #sendQueued(): void {
    const tokens = this.#queued;
    this.#queued = [];
    for (const token of tokens) {
      const open = this.#open.get(token);
      // The sweep may have sent it already: sent twice, a refusal would no longer say that surely nothing is stored.
      if (open?.timesSent === 0) this.#send(token, open);
    }
  }

  #send(token: string, open: OpenRequest): void {
    if (!this.#client.isConnected()) return;
    const { subject, data, headers } = open.request;
    open.againAt = performance.now() + TRY_MS;
    const reply = `${this.#inbox}.${token}`;
    try {
      this.#subscription ??= this.#subscribe();
      this.#client.connection.publish(subject, data, headers === undefined ? { reply } : { reply, headers });
      open.timesSent++;
    } catch (error) {
      this.#close(token);
      open.request.onFailure(error, open.timesSent);
    }
  }

  #subscribe(): Subscription {
    return this.#client.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, answer) => {
        if (error === null) return this.#onReply(answer);
        // Our user may not subscribe to it: the client has given it up.
        this.#subscription = undefined;
        this.#failAll(error);
      },
    });
  }

  #sendAll(): void {
    for (const [token, open] of this.#open) if (open.timesSent > 0) this.#send(token, open);
  }

  #onReply(answer: Msg): void {
    const token = answer.subject.slice(this.#inbox.length + 1);
    const open = this.#open.get(token);
    if (open === undefined) return;
    const pauseMs = open.request.onReply(answer, open.timesSent);
    if (pauseMs === null) this.#close(token);
    else open.againAt = performance.now() + pauseMs;
  }

  #onDenied(right: DeniedPermission): void {
    if (right.operation !== 'publish') return;
    for (const [token, { request }] of this.#open) {
      if (request.subject === right.subject) this.#fail(token, denied(right));
    }
  }

  #sweep(): void {
    const now = performance.now();
    for (const [token, open] of this.#open) {
      if (open.request.isExpired(now, open.timesSent))
        this.#fail(token, NatsError.errorForCode(ErrorCode.Timeout));
      else if (now >= open.againAt) this.#send(token, open);
    }
  }

  #failAll(error: NatsError): void {
    for (const token of [...this.#open.keys()]) this.#fail(token, error);
  }

  #fail(token: string, error: NatsError): void {
    const open = this.#open.get(token);
    this.#close(token);
    open?.request.onFailure(error, open.timesSent);
  }

  #close(token: string): void {
    this.#open.delete(token);
    if (this.#open.size > 0) return;
    this.#sweeps.stop();
    for (const wake of this.#emptyListeners) wake();
    this.#emptyListeners = [];
  }
}

function denied(right: DeniedPermission): NatsError {
  const error = NatsError.errorForCode(ErrorCode.PermissionsViolation);
  error.permissionContext = right;
  return error;
}

/** The client would build the same bytes from a map of headers, at several times the cost. The client only calls `encode`. */
export function encodedHeaders(bytes: Uint8Array): MsgHdrs {
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** True if the server replies that the subject has no subscriber. */
export function isNoResponders(answer: Msg): boolean {
  return answer.data.length === 0 && answer.headers?.code === 503;
}
