import { type BackoffOptions, backoff } from '../core/retry/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { MemoryBudget } from './memory-budget.ts';

/**
 * How long a deferred message waits for its next try, in milliseconds. Doubled each time, times 0.5 to 1.5 at random, so that the
 * messages do not all come at once. Below 2 s, a full stream would get too many tries. Above 15 s, a message would be late.
 */
const BACKOFF: BackoffOptions = { initialMs: 2000, maxMs: 15_000, jitter: 0.5 };

export type DeferredMessagesOptions = {
  /** Shared with the ordered messages that wait for capacity. DEFERRED_BYTES. */
  readonly budget: MemoryBudget;
  /** How many messages resume at once when their wait ends. All at once would hold every slot, and other messages would wait. */
  readonly maxResumedAtOnce: number;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/**
 * Unsettled messages held in memory, without a slot: messages that the full parked stream refused, and messages that wait until
 * `rule_webhooks` is read again. They resume with backoff, or after the read. They are not nak'd, because every redelivery
 * counts as an attempt, and NATS would deliver them again and again.
 */
export class DeferredMessages<M extends { readonly size: number }> {
  readonly #options: DeferredMessagesOptions;
  /** With what cancels the wait of each. */
  readonly #deferred = new Map<M, () => void>();
  readonly #times = new WeakMap<M, number>();
  /** Deferred messages whose wait is over. */
  readonly #due = new Set<M>();
  #sink: (message: M) => Promise<void> = async () => {};
  #underWay = 0;

  constructor(options: DeferredMessagesOptions) {
    this.#options = options;
  }

  /** @param sink Processes a resumed message. Resolves when it is done. */
  start(sink: (message: M) => Promise<void>): void {
    this.#sink = sink;
  }

  /** How many messages are deferred now. */
  get count(): number {
    return this.#deferred.size;
  }

  /** Defers a message with backoff. @returns False if no memory is left for the message. */
  defer(message: M): boolean {
    if (!this.#fits(message)) return false;
    const times = this.#times.get(message) ?? 0;
    this.#times.set(message, times + 1);
    const { clock, random } = this.#options;
    const waitMs = backoff(BACKOFF, times + 1, random());
    this.#add(
      message,
      clock.after(waitMs, () => void this.#resume(message)),
    );
    return true;
  }

  /**
   * Defers a message until `until` resolves and fewer than `maxResumedAtOnce` resumed messages are in progress. `until` must not
   * reject.
   *
   * @returns False if no memory is left for the message.
   */
  deferUntil(message: M, until: Promise<unknown>): boolean {
    if (!this.#fits(message)) return false;
    this.#add(message, () => {});
    void until.then(() => {
      if (this.#deferred.has(message)) this.#due.add(message);
      this.#resumeDue();
    });
    return true;
  }

  /** Removes and returns all deferred messages. None of them resumes any more. */
  takeAll(): M[] {
    const messages = [...this.#deferred.keys()];
    for (const cancel of this.#deferred.values()) cancel();
    this.#deferred.clear();
    this.#due.clear();
    for (const message of messages) this.#options.budget.giveBack(message);
    return messages;
  }

  #fits(message: M): boolean {
    return this.#options.budget.fits(message);
  }

  #add(message: M, cancel: () => void): void {
    this.#options.budget.take(message);
    this.#deferred.set(message, cancel);
  }

  #resumeDue(): void {
    for (const message of this.#due) {
      if (this.#underWay >= this.#options.maxResumedAtOnce) return;
      this.#due.delete(message);
      this.#underWay++;
      void this.#resume(message).then(() => {
        this.#underWay--;
        this.#resumeDue();
      });
    }
  }

  async #resume(message: M): Promise<void> {
    // `takeAll` has removed the message.
    if (!this.#deferred.delete(message)) return;
    this.#options.budget.giveBack(message);
    await this.#sink(message);
  }
}
