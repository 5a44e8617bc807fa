import { type Clock, systemClock } from '../../runtime/clock.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { NatsLog } from '../connection/client.ts';
import type { StoreFailed, StoreFailure } from '../publishing/store-failure.ts';

/**
 * How long a failure counts as a problem of this worker, in milliseconds. By then the copy has been tried again. If another
 * worker tried it, that worker knows better. Also the shortest time between two log lines.
 */
const LASTS_MS = 30_000;
const KEPT =
  'The worker keeps the message and tries again. Look at the limits of the parked stream with `nats stream info`.';
/** These failures concern one message. The next message may be parked. */
const OF_ONE_MESSAGE = new Set<StoreFailure>(['tooLarge', 'invalid']);

/**
 * Why webhooks cannot be parked. Logged at the start and at the end, at most twice per minute: thousands of messages may fail.
 */
export class StoreProblem {
  readonly #log: NatsLog;
  readonly #stream: string;
  readonly #clock: Clock;
  readonly #problem: ProblemLog;
  #why: string | null = null;
  #until = 0;

  constructor(log: NatsLog, stream: string, clock: Clock = systemClock) {
    this.#log = log;
    this.#stream = stream;
    this.#clock = clock;
    this.#problem = new ProblemLog({
      clock,
      quietMs: LASTS_MS,
      sayOver: () => log.info({ stream }, 'parking.recovered'),
    });
  }

  /** @returns The sentence for the failure. */
  report({ failed, detail }: StoreFailed): string {
    const why = `webhook not parked in ${this.#stream}: ${detail}`;
    if (OF_ONE_MESSAGE.has(failed)) return why;
    this.#problem.report(() =>
      this.#log.error({ stream: this.#stream, error: detail, hint: KEPT }, 'parking.failed'),
    );
    this.#why = why;
    this.#until = this.#clock.now() + LASTS_MS;
    return why;
  }

  clear(): void {
    this.#why = null;
    this.#problem.clear();
  }

  current(): string | null {
    return this.#clock.now() < this.#until ? this.#why : null;
  }
}
