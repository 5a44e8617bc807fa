import type { NatsLog } from './client.ts';
import type { Stored, StoreFailure } from './store-failure.ts';

/** By then it has been tried again, and where that was not here, a peer knows better. In milliseconds. */
const LASTS_MS = 30_000;
/** These are troubles of one message, and the next may be parked. */
const OF_ONE_MESSAGE = new Set<StoreFailure>(['tooLarge', 'invalid']);

/** Why webhooks cannot be parked. Said when it begins and when it ends, at most twice a minute: thousands may meet it. */
export class ParkingTrouble {
  readonly #log: NatsLog;
  readonly #stream: string;
  #why: string | null = null;
  #until = 0;
  #saidUntil = 0;

  constructor(log: NatsLog, stream: string) {
    this.#log = log;
    this.#stream = stream;
  }

  /** @returns the sentence for it. */
  note({ failed, detail }: Extract<Stored, { failed: StoreFailure }>): string {
    const why = `webhook not parked in ${this.#stream}: ${detail}`;
    if (OF_ONE_MESSAGE.has(failed)) return why;
    const now = performance.now();
    if (this.#why === null && now >= this.#saidUntil) {
      this.#log.error(`${why}; its message is kept, and tried again`);
      this.#saidUntil = now + LASTS_MS;
    }
    this.#why = why;
    this.#until = now + LASTS_MS;
    return why;
  }

  end(): void {
    if (this.#why === null) return;
    this.#why = null;
    this.#log.info(`webhooks are parked again in ${this.#stream}`);
  }

  now(): string | null {
    return performance.now() < this.#until ? this.#why : null;
  }
}
