import { createInbox, type Msg, type Subscription } from 'nats';
import type { NatsClient } from '../connection/client.ts';

/** Gets the replies to pull requests. */
export interface PullReader {
  onMessage(message: Msg): void;
  /** The server ended a pull request: the time of the request is over, or the server cannot serve the request. */
  onStatus(message: Msg): void;
  onError(error: Error): void;
}

/** How long after its end an unanswered pull request still counts as open, in milliseconds. Then the server has dropped it. */
const GRACE_MS = 1000;

/** An inbox that stays subscribed, with at most one open pull request: so the inbox of a message identifies its pull request. */
type PullRequest = {
  readonly reply: string;
  readonly subscription: Subscription;
  credits: number;
  endsAt: number;
};

/** The open pull requests of one durable, and how many messages of each are still to come. */
export class PullRequests {
  readonly #client: NatsClient;
  readonly #subject: string;
  readonly #pulls: PullRequest[];
  #credits = 0;

  /**
   * @param subject The subject to which pull requests are published.
   * @param count How many pull requests may be open at once.
   */
  constructor(client: NatsClient, subject: string, count: number, reader: PullReader) {
    this.#client = client;
    this.#subject = subject;
    this.#pulls = Array.from({ length: count }, () => this.#open(reader));
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
    if (this.#client.isConnected()) {
      await Promise.all(this.#pulls.map(({ subscription }) => subscription.drain().catch(() => undefined)));
    } else {
      // No message can arrive now, and draining a subscription would wait for the next connection.
      for (const { subscription } of this.#pulls) subscription.unsubscribe();
    }
  }

  #open(reader: PullReader): PullRequest {
    const reply = createInbox();
    const subscription = this.#client.connection.subscribe(reply, {
      callback: (error, message) => {
        if (error !== null) reader.onError(error);
        else if (message.reply) {
          this.#used(pull);
          reader.onMessage(message);
        } else {
          this.#close(pull);
          reader.onStatus(message);
        }
      },
    });
    const pull: PullRequest = { reply, subscription, credits: 0, endsAt: 0 };
    return pull;
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
