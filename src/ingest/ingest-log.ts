import { type Clock, systemClock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { ProblemLog } from '../runtime/problem-log.ts';
import type { Service } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import type { AcceptedWebhook } from './acceptor.ts';

export type IngestLogOptions = {
  /** Stores rows in one statement. */
  readonly insert: (webhooks: readonly AcceptedWebhook[]) => Promise<void>;
  readonly log: Logger;
  readonly clock?: Clock;
};

/** How often rows are written, in milliseconds. Above: a webhook is found later. */
const WRITE_EVERY_MS = 500;
/** Rows of one statement. */
const BATCH = 1000;
/** Rows in memory while PostgreSQL is away, about 300 bytes each. Further ones are dropped and counted. */
const MOST_WAITING = 100_000;
const STOP_MS = 5000;
const AGAIN_AFTER_MS = 60_000;
const HINT = `Webhooks are taken in. Their rows wait in memory, at most ${MOST_WAITING}, until PostgreSQL takes them.`;

/** Writes down which webhooks were taken in, in batches. Nobody waits for it. */
export class IngestLog implements Service {
  readonly name = 'ingest log';
  readonly #options: IngestLogOptions;
  readonly #problem = new ProblemLog({ againAfterMs: AGAIN_AFTER_MS });
  #waiting: AcceptedWebhook[] = [];
  #dropped = 0;
  #stopTimer = () => {};

  constructor(options: IngestLogOptions) {
    this.#options = options;
  }

  note(webhook: AcceptedWebhook): void {
    if (this.#waiting.length < MOST_WAITING) this.#waiting.push(webhook);
    else this.#dropped += 1;
  }

  start(): void {
    this.#stopTimer = every(WRITE_EVERY_MS, () => this.#write(), {
      clock: this.#options.clock ?? systemClock,
    });
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    await withTimeout(STOP_MS, this.#write());
  }

  async #write(): Promise<void> {
    const { insert, log } = this.#options;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.slice(0, BATCH);
      try {
        await insert(batch);
      } catch (error) {
        const about = { error: errorMessage(error), rows: this.#waiting.length, dropped: this.#dropped };
        this.#problem.report(() => log.warn({ ...about, hint: HINT }, 'ingest_log.store_failed'));
        return;
      }
      this.#waiting = this.#waiting.slice(batch.length);
      this.#problem.clear();
    }
  }
}
