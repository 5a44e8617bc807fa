import { createInbox, type Msg, type Subscription } from 'nats';
import type { NatsClient } from '../connection/client.ts';

/** Gets the replies to pull requests. */
export interface PullReader {
  onMessage(message: Msg): void;
  /** The server ended a pull request: the time of the request is over, or the server cannot serve the request. */
  onStatus(message: Msg): void;
  /** Our user has no right to the inbox of a pull request. The request is closed. */
  onError(error: Error): void;
}

/** How long after its end an unanswered pull request still counts as open, in milliseconds. Then the server has dropped it. */
const GRACE_MS = 1000;

/** An inbox that stays subscribed, with at most one open pull request: so the inbox of a message identifies its pull request. */
type PullRequest = {
  readonly reply: string;
  /** Undefined after NATS denied our user the right to it: the client has given it up. Made again with the next pull request. */
  subscription: Subscription | undefined;
  credits: number;
  endsAt: number;
};

/** The open pull requests of one durable, and how many messages of each are still to come. */
export class PullRequests {
  readonly #client: NatsClient;
  readonly #subject: string;
  readonly #pulls: PullRequest[];
  readonly #reader: PullReader;
  #credits = 0;

  /**
   * @param subject The subject to which pull requests are published.
   * @param count How many pull requests may be open at once.
   */
  constructor(client: NatsClient, subject: string, count: number, reader: PullReader) {
    this.#client = client;
    this.#subject = subject;
    this.#reader = reader;
    this.#pulls = Array.from({ length: count }, () => this.#open());
  }

  /** Messages that are requested and have not arrived. */
  get credits(): number {
    return this.#credits;
  }

  /** When the next open pull request ends, on the clock of `performance.now()`. Null if none is open. */
  get nextEnd(): number | null {
    const ends = this.#pulls.filter(({ credits }) => credits > 0).map(({ endsAt }) => endsAt);
    return ends.length === 0 ? null : Math.min(...ends);
  }

  /** Requests `wanted` more messages, in pull requests of at most `atOnce` each. Requests fewer if no inbox is free. */
  request(wanted: number, atOnce: number, expiresMs: number): void {
    const endsAt = performance.now() + expiresMs + GRACE_MS;
    let left = wanted;
    for (const pull of this.#pulls) {
      if (left <= 0) return;
      if (pull.credits > 0) continue;
      const batch = Math.min(left, atOnce);
      pull.credits = batch;
      pull.endsAt = endsAt;
      this.#credits += batch;
      left -= batch;
      pull.subscription ??= this.#subscribe(pull);
      const payload = `{"batch":${batch},"expires":${expiresMs * 1_000_000}}`;
      this.#client.connection.publish(this.#subject, payload, { reply: pull.reply });
    }
  }

  /** Closes the pull requests that the server never answered and has dropped by now. @returns true if there was one. */
  closeOverdue(): boolean {
    const now = performance.now();
    const overdue = this.#pulls.filter(({ credits, endsAt }) => credits > 0 && endsAt <= now);
    for (const pull of overdue) this.#close(pull);
    return overdue.length > 0;
  }

  closeAll(): void {
    for (const pull of this.#pulls) this.#close(pull);
  }

  /** Resolves when every message that the server had sent is read, and every inbox is unsubscribed. */
  async unsubscribe(): Promise<void> {
    if (this.#client.connection.isClosed()) return;
    const subscriptions = this.#pulls.flatMap(({ subscription }) => subscription ?? []);
    if (this.#client.isConnected()) {
      await Promise.all(subscriptions.map((subscription) => subscription.drain().catch(() => undefined)));
    } else {
      // No message can arrive now, and draining a subscription would wait for the next connection.
      for (const subscription of subscriptions) subscription.unsubscribe();
    }
  }

  #open(): PullRequest {
    const pull: PullRequest = { reply: createInbox(), subscription: undefined, credits: 0, endsAt: 0 };
    pull.subscription = this.#subscribe(pull);
    return pull;
  }

  #subscribe(pull: PullRequest): Subscription {
    return this.#client.connection.subscribe(pull.reply, {
      callback: (error, message) => {
        if (error !== null) {
          pull.subscription = undefined;
          this.#close(pull);
          this.#reader.onError(error);
        } else if (message.reply) {
          this.#used(pull);
          this.#reader.onMessage(message);
        } else {
          this.#close(pull);
          this.#reader.onStatus(message);
        }
      },
    });
  }

  #used(pull: PullRequest): void {
    if (pull.credits === 0) return;
    pull.credits--;
    this.#credits--;
  }

  #close(pull: PullRequest): void {
    this.#credits -= pull.credits;
    pull.credits = 0;
  }
}
