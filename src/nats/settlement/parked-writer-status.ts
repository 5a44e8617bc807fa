import type { NatsLog } from '../connection/client.ts';
import type { StoreFailed, StoreFailure } from '../publishing/store-failure.ts';

/** By then it has been tried again, and where that was not here, a peer knows better. In milliseconds. */
const LASTS_MS = 30_000;
const KEPT =
  'The worker keeps the message and tries again. Look at the limits of the parked stream with `nats stream info`.';
/** These are troubles of one message, and the next may be parked. */
const OF_ONE_MESSAGE = new Set<StoreFailure>(['tooLarge', 'invalid']);

/** Why webhooks cannot be parked. Said when it begins and when it ends, at most twice a minute: thousands may meet it. */
export class StoreProblem {
  readonly #log: NatsLog;
  readonly #stream: string;
  #why: string | null = null;
  #until = 0;
  /** That there is a trouble was the last thing said. */
  #isSaid = false;
  #quietUntil = Number.NEGATIVE_INFINITY;

  constructor(log: NatsLog, stream: string) {
    this.#log = log;
    this.#stream = stream;
  }

  /** @returns the sentence for it. */
  report({ failed, detail }: StoreFailed): string {
    const why = `webhook not parked in ${this.#stream}: ${detail}`;
    if (OF_ONE_MESSAGE.has(failed)) return why;
    const now = performance.now();
    if (!this.#isSaid && now >= this.#quietUntil) {
      this.#log.error({ stream: this.#stream, error: detail, hint: KEPT }, 'parking.failed');
      this.#isSaid = true;
      this.#quietUntil = now + LASTS_MS;
    }
    this.#why = why;
    this.#until = now + LASTS_MS;
    return why;
  }

  clear(): void {
    this.#why = null;
    if (!this.#isSaid) return;
    this.#isSaid = false;
    this.#log.info({ stream: this.#stream }, 'parking.recovered');
  }

  current(): string | null {
    return performance.now() < this.#until ? this.#why : null;
  }
}
