const POLL_EVERY_MS = 1000;

/**
 * Whether too many messages wait on the group's durable for a retry: each holds a place there, and when all are taken nothing
 * is handed out to anyone. Asked while there are retries.
 */
export class AckPendingMonitor {
  readonly #poll: () => Promise<boolean | null>;
  #timer: NodeJS.Timeout | undefined;
  #isNearLimit = false;
  #hasRetried = false;

  /** @param poll Null where that cannot be known now. */
  constructor(poll: () => Promise<boolean | null>) {
    this.#poll = poll;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#check(), POLL_EVERY_MS);
  }

  isNearLimit(): boolean {
    return this.#isNearLimit;
  }

  /** A message failed, and waits for its next attempt. */
  onRetry(): void {
    this.#hasRetried = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #check(): Promise<void> {
    if (!this.#hasRetried && !this.#isNearLimit) return;
    this.#hasRetried = false;
    this.#isNearLimit = (await this.#poll()) ?? this.#isNearLimit;
  }
}
