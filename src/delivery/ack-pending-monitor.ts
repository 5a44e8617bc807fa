const ASK_EVERY_MS = 1000;

/**
 * Whether too many messages wait on the group's durable for a retry: each holds a place there, and when all are taken nothing
 * is handed out to anyone. Asked while there are retries.
 */
export class Pressure {
  readonly #ask: () => Promise<boolean | null>;
  readonly #timer: NodeJS.Timeout;
  #isHigh = false;
  #hasRetried = false;

  /** @param ask Null where that cannot be known now. */
  constructor(ask: () => Promise<boolean | null>) {
    this.#ask = ask;
    this.#timer = setInterval(() => void this.#look(), ASK_EVERY_MS);
  }

  isHigh(): boolean {
    return this.#isHigh;
  }

  /** A message failed, and waits for its next attempt. */
  retried(): void {
    this.#hasRetried = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (!this.#hasRetried && !this.#isHigh) return;
    this.#hasRetried = false;
    this.#isHigh = (await this.#ask()) ?? this.#isHigh;
  }
}
