import { every } from '../runtime/every.ts';

const POLL_EVERY_MS = 1000;

/**
 * Watches `num_ack_pending` of the group's durable. At `max_ack_pending` the server delivers nothing more. Below half of it,
 * retries are nak'd; above half, retries are parked. Polled every second while messages are being retried.
 */
export class AckPendingMonitor {
  readonly #poll: () => Promise<boolean | null>;
  #stopTimer = () => {};
  #isNearLimit = false;
  #hasRetried = false;

  /** @param poll Resolves to true above half of the limit, and to null if NATS cannot tell now. */
  constructor(poll: () => Promise<boolean | null>) {
    this.#poll = poll;
  }

  start(): void {
    this.#stopTimer = every(POLL_EVERY_MS, () => void this.#check());
  }

  isNearLimit(): boolean {
    return this.#isNearLimit;
  }

  /** Called when a failed message waits for its next attempt. */
  onRetry(): void {
    this.#hasRetried = true;
  }

  stop(): void {
    this.#stopTimer();
  }

  async #check(): Promise<void> {
    if (!this.#hasRetried && !this.#isNearLimit) return;
    this.#hasRetried = false;
    this.#isNearLimit = (await this.#poll()) ?? this.#isNearLimit;
  }
}
