import { Header } from '../../core/message/nats-headers.ts';
import { CALL_PREFIX, type CallResult, callKeyOf, callResultOf } from '../../core/records/call-result.ts';
import type { Attempt } from '../../core/retry/attempt.ts';
import type { Disposition } from '../../core/retry/disposition.ts';
import { every } from '../../runtime/every.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { Service } from '../../runtime/service.ts';
import type { Message } from '../message.ts';

/** Stores results in one transaction. Results of calls that are not in this database, or are over, change nothing. */
export interface CallStore {
  storeResults(results: readonly CallResult[]): Promise<void>;
}

/** How often results are written, in milliseconds. Below it, transactions are small; above it, a caller waits for its result. */
const FLUSH_EVERY_MS = 250;
/** The most results of one transaction. */
const MOST_AT_ONCE = 500;
/**
 * Results that are kept while PostgreSQL does not take them, each about 1 KB. Further ones are dropped: the relay finds the result
 * among the attempts later.
 */
const MOST_KEPT = 20_000;
const LOG_EVERY_MS = 60_000;
const KEPT =
  'Deliveries go on. The worker writes the results of the calls when PostgreSQL takes them; the relay writes what the worker could not.';

/** Writes what became of calls of the extension's queue, beside the statistics, which never wait for it. */
export class CallResults implements Service {
  readonly name = 'call results';
  readonly #store: CallStore;
  readonly #log: Logger;
  readonly #problem: ProblemLog;
  #waiting: CallResult[] = [];
  #dropped = 0;
  #underWay: Promise<void> | null = null;
  #stopTimer = () => {};

  constructor(store: CallStore, log: Logger) {
    this.#store = store;
    this.#log = log;
    this.#problem = new ProblemLog({
      againAfterMs: LOG_EVERY_MS,
      sayOver: () => log.info({}, 'calls.store_recovered'),
    });
  }

  /** Takes an attempt, or the end of a delivery. Messages that are no calls are ignored. */
  add(message: Message, deliveryId: string, attempt: Attempt, disposition: Disposition): void {
    if (!deliveryId.startsWith(CALL_PREFIX)) return;
    const key = callKeyOf(message.header(Header.callId), deliveryId);
    const result = key && callResultOf(key, message.attemptNumber, attempt, disposition);
    if (result === null) return;
    if (this.#waiting.length >= MOST_KEPT) this.#dropped += 1;
    else this.#waiting.push(result);
  }

  start(): void {
    this.#stopTimer = every(FLUSH_EVERY_MS, () => this.flush(), { unref: true });
  }

  /** Writes all results, if PostgreSQL takes them. Never rejects. */
  flush(): Promise<void> {
    this.#underWay ??= this.#flush().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    await this.#underWay;
    await this.flush();
  }

  async #flush(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const batch = this.#waiting.slice(0, MOST_AT_ONCE);
        await this.#store.storeResults(batch);
        this.#waiting.splice(0, batch.length);
      }
      this.#problem.clear();
    } catch (error) {
      this.#problem.report(() =>
        this.#log.warn(
          {
            code: errorCode(error),
            error: errorMessage(error),
            waiting: this.#waiting.length,
            dropped: this.#dropped,
            hint: KEPT,
          },
          'calls.store_failed',
        ),
      );
    }
  }
}
