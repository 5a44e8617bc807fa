import { createInbox, ErrorCode, type Msg, type MsgHdrs, NatsError } from 'nats';
import type { NatsClient } from '../connection/client.ts';
import type { DeniedPermission } from '../connection/permissions.ts';

/** A message that is sent until it is answered. */
export interface RetriedRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  /** As they go over the wire. */
  readonly headers?: Uint8Array;
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
  readonly #open = new Map<string, OpenRequest>();
  readonly #release: () => void;
  #lastToken = 0;
  #sweeping: NodeJS.Timeout | undefined;
  #emptyListeners: (() => void)[] = [];

  constructor(client: NatsClient) {
    this.#client = client;
    const subscription = client.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, answer) => {
        if (error === null) this.#onReply(answer);
      },
    });
    const stopListening = client.listen({
      onReconnect: () => this.#sendAll(),
      onDenied: (right) => this.#onDenied(right),
    });
    this.#release = () => {
      stopListening();
      subscription.unsubscribe();
    };
  }

  /** Sends it, or will when the connection is back. */
  send(request: RetriedRequest): void {
    const open = { request, timesSent: 0, againAt: 0 };
    const token = (++this.#lastToken).toString(36);
    this.#open.set(token, open);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    this.#send(token, open);
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
    for (const token of [...this.#open.keys()]) this.#fail(token, ErrorCode.ConnectionClosed);
    clearInterval(this.#sweeping);
  }

  #send(token: string, open: OpenRequest): void {
    if (!this.#client.isConnected()) return;
    const { subject, data, headers } = open.request;
    open.timesSent++;
    open.againAt = performance.now() + TRY_MS;
    const reply = `${this.#inbox}.${token}`;
    try {
      this.#client.connection.publish(
        subject,
        data,
        headers === undefined ? { reply } : { reply, headers: encoded(headers) },
      );
    } catch (error) {
      this.#close(token);
      open.request.onFailure(error);
    }
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
      if (request.subject === right.subject) this.#fail(token, ErrorCode.PermissionsViolation, right);
    }
  }

  #sweep(): void {
    const now = performance.now();
    for (const [token, open] of this.#open) {
      if (open.request.isExpired(now, open.timesSent)) this.#fail(token, ErrorCode.Timeout);
      else if (now >= open.againAt) this.#send(token, open);
    }
  }

  #fail(token: string, code: ErrorCode, right?: DeniedPermission): void {
    const open = this.#open.get(token);
    this.#close(token);
    const error = NatsError.errorForCode(code);
    if (right !== undefined) error.permissionContext = right;
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

/** The client would build the same bytes from a map of headers, at a multiple of the cost: it asks for nothing else. */
function encoded(bytes: Uint8Array): MsgHdrs {
  return { encode: () => bytes } as unknown as MsgHdrs;
}

/** Whether the server says that nobody listens to the subject. */
export function isNoResponders(answer: Msg): boolean {
  return answer.data.length === 0 && answer.headers?.code === 503;
}
