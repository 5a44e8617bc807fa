import { createInbox, type Msg, type Subscription } from 'nats';
import type { NatsClient } from '../connection/client.ts';

/** What comes back on a pull. */
export interface PullReader {
  onMessage(message: Msg): void;
  /** The server gave up on a pull: because its time is over, or because it cannot serve it. */
  onStatus(message: Msg): void;
  onError(error: Error): void;
}

/** After this, the server has forgotten a pull that it did not answer. */
const GRACE_MS = 1000;

/** An inbox of its own, kept subscribed, with at most one open pull: so every message is known by the pull it answers. */
type PullRequest = {
  readonly reply: string;
  readonly subscription: Subscription;
  credits: number;
  endsAt: number;
};

/** The open pulls of one durable, and what each of them still owes us. */
export class PullRequests {
  readonly #client: NatsClient;
  readonly #subject: string;
  readonly #pulls: PullRequest[];
  #credits = 0;

  /**
   * @param subject Where pulls go.
   * @param count Pulls that may be open at once.
   */
  constructor(client: NatsClient, subject: string, count: number, reader: PullReader) {
    this.#client = client;
    this.#subject = subject;
    this.#pulls = Array.from({ length: count }, () => this.#open(reader));
  }

  /** What is asked for and has not come. */
  get credits(): number {
    return this.#credits;
  }

  /** When the next open pull ends, on the clock of `performance.now()`; null where none is open. */
  get nextEnd(): number | null {
    const ends = this.#pulls.filter(({ credits }) => credits > 0).map(({ endsAt }) => endsAt);
    return ends.length === 0 ? null : Math.min(...ends);
  }

  /** Asks for this many more, in pulls of at most `atOnce`, as far as lanes are free. */
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

  /** Closes pulls that the server never answered, and has forgotten by now. @returns whether there was one. */
  closeOverdue(): boolean {
    const now = performance.now();
    const overdue = this.#pulls.filter(({ credits, endsAt }) => credits > 0 && endsAt <= now);
    for (const pull of overdue) this.#close(pull);
    return overdue.length > 0;
  }

  closeAll(): void {
    for (const pull of this.#pulls) this.#close(pull);
  }

  /** Resolves when what the server has already sent was read, and every inbox is given up. */
  async unsubscribe(): Promise<void> {
    if (this.#client.connection.isClosed()) return;
    if (this.#client.isConnected()) {
      await Promise.all(this.#pulls.map(({ subscription }) => subscription.drain().catch(() => undefined)));
    } else {
      // Nothing can be on its way, and a drain would wait for the next connection.
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
