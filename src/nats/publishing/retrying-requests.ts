import { createInbox, ErrorCode, type Msg, type MsgHdrs, NatsError, type Subscription } from 'nats';
import type { NatsClient } from '../connection/client.ts';
import type { DeniedPermission } from '../connection/permissions.ts';

/** A message that is sent until it is answered. */
export interface RetriedRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs;
  /** @returns null where that was the last word; else after how many milliseconds it is sent again. */
  onReply(answer: Msg): number | null;
  /** Whether it is not worth being sent again. */
  isExpired(now: number, timesSent: number): boolean;
  /** Over without a last word, or it cannot be sent: an error with one of the client's codes. */
  onFailure(error: unknown): void;
}

/** How long an answer is waited for before it is sent again, in milliseconds: shorter than an election. */
const TRY_MS = 2000;
const SWEEP_MS = 100;

type OpenRequest = { readonly request: RetriedRequest; timesSent: number; againAt: number };

/**
 * Many requests at once, each sent again until it is answered, over elections and broken links. One inbox and one
 * timer serve them all: with a request of the client each, these alone would cost more than the rest.
 */
export class RetryingRequests {
  readonly #client: NatsClient;
  readonly #inbox = createInbox();
  /** Made when it is needed, and again where our user had no right to it. */
  #subscription: Subscription | undefined;
  readonly #open = new Map<string, OpenRequest>();
  readonly #release: () => void;
  #lastToken = 0;
  #sweeping: NodeJS.Timeout | undefined;
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

  /** Sends it, or will when the connection is back. @returns what ends it without a word. */
  send(request: RetriedRequest): () => void {
    const open = { request, timesSent: 0, againAt: 0 };
    const token = (++this.#lastToken).toString(36);
    this.#open.set(token, open);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    if (this.#client.connection.isClosed())
      this.#fail(token, NatsError.errorForCode(ErrorCode.ConnectionClosed));
    else this.#send(token, open);
    return () => this.#close(token);
  }

  /** Resolves when every one sent so far is over, or `timeoutMs` went by: then false. */
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

  /** Fails what is still open, and leaves nothing behind. */
  stop(): void {
    this.#release();
    this.#failAll(NatsError.errorForCode(ErrorCode.ConnectionClosed));
    clearInterval(this.#sweeping);
  }

  #send(token: string, open: OpenRequest): void {
    if (!this.#client.isConnected()) return;
    const { subject, data, headers } = open.request;
    open.timesSent++;
    open.againAt = performance.now() + TRY_MS;
    const reply = `${this.#inbox}.${token}`;
    try {
      this.#subscription ??= this.#subscribe();
      this.#client.connection.publish(subject, data, headers === undefined ? { reply } : { reply, headers });
    } catch (error) {
      this.#close(token);
      open.request.onFailure(error);
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
    const pauseMs = open.request.onReply(answer);
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
    open?.request.onFailure(error);
  }

  #close(token: string): void {
    this.#open.delete(token);
    if (this.#open.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
    for (const wake of this.#emptyListeners) wake();
    this.#emptyListeners = [];
  }
}

function denied(right: DeniedPermission): NatsError {
  const error = NatsError.errorForCode(ErrorCode.PermissionsViolation);
  error.permissionContext = right;
  return error;
}

/** Headers as they go over the wire. The client would build them from a map at a multiple of the cost: it asks for nothing else. */
export function encodedHeaders(bytes: Uint8Array): MsgHdrs {
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** Whether the server says that nobody listens to the subject. */
export function isNoResponders(answer: Msg): boolean {
  return answer.data.length === 0 && answer.headers?.code === 503;
}
