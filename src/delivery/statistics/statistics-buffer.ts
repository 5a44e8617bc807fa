import type { EndpointStateRow } from '../../core/records/endpoint-state.ts';
import type { RefusedRows } from '../../core/records/refusal.ts';
import { sizeOfAttempt, sizeOfDeadLetter } from '../../core/records/row-size.ts';
import {
  type AttemptRecord,
  type Counters,
  type DeadLetterRecord,
  type FlushReport,
  type GroupProgress,
  mergeCounters,
  NO_COUNTERS,
  type StatisticsFlush,
} from '../../core/records/statistics.ts';

export type StatisticsBufferOptions = Pick<
  StatisticsFlush,
  'instanceId' | 'streamName' | 'consumerName' | 'queueGroup' | 'description' | 'silentAfterMs'
> & {
  /**
   * The most rows that are kept while the store does not answer, attempts and dead letters together. Further rows are dropped.
   */
  readonly maxRows: number;
  /** The most memory that these rows take, in bytes. Further rows are dropped. */
  readonly maxBytes: number;
  /** Returns endpoints whose state changed since the last call. Called once per flush. */
  endpoints(): readonly EndpointStateRow[];
};

/** Stores statistics. A flush that is stored twice counts once. If `store` throws, the flush may or may not be stored. */
export interface StatisticsStore {
  /** Resolves to what the store left out. */
  store(flush: StatisticsFlush): Promise<FlushReport>;
}

/**
 * The most endpoint states that wait for a right. Above it, the oldest are dropped: an endpoint that changes again is reported
 * again.
 */
const MOST_WAITING_STATES = 1000;

/**
 * Collects counters and rows until the next flush. Counters are always kept. Rows are kept up to a bound, and dropped and
 * counted above it. A flush that may or may not have been stored is kept, and stored again unchanged before anything newer.
 */
export class StatisticsBuffer {
  readonly #options: StatisticsBufferOptions;
  readonly #store: StatisticsStore;
  readonly #onRefused: (refused: readonly RefusedRows[]) => void;
  #counters: Counters = NO_COUNTERS;
  #attempts: AttemptRecord[] = [];
  /** Discarded messages: their rows give way to all others. */
  #discards: AttemptRecord[] = [];
  #deadLetters: DeadLetterRecord[] = [];
  /** Endpoint states that wait for a right. */
  #endpoints: readonly EndpointStateRow[] = [];
  /** Memory of the rows that wait for the next flush, in bytes. */
  #bytes = 0;
  /** The flush that may or may not have been stored; null: none. */
  #uncertain: StatisticsFlush | null = null;
  #uncertainBytes = 0;
  #number = 0;
  /** What is stored. `total` is summed only when it is read, so that no message costs a second sum. */
  #earlier: Counters = NO_COUNTERS;

  /** @param onRefused Called once per flush that was stored without some of its rows. */
  constructor(
    options: StatisticsBufferOptions,
    store: StatisticsStore,
    onRefused: (refused: readonly RefusedRows[]) => void = () => {},
  ) {
    this.#options = options;
    this.#store = store;
    this.#onRefused = onRefused;
  }

  add(counters: Counters, attempt: AttemptRecord | null, deadLetter: DeadLetterRecord | null): void {
    this.#count(counters);
    if (attempt !== null) this.#keep(this.#rowsLike(attempt), attempt, sizeOfAttempt(attempt));
    if (deadLetter !== null) this.#keep(this.#deadLetters, deadLetter, sizeOfDeadLetter(deadLetter));
  }

  /** Rows that wait for a flush. */
  get rows(): number {
    const uncertain = this.#uncertain;
    return (
      this.#attempts.length +
      this.#discards.length +
      this.#deadLetters.length +
      (uncertain === null ? 0 : uncertain.attempts.length + uncertain.deadLetters.length)
    );
  }

  /** Everything that this process has counted since its start. */
  get total(): Counters {
    const unstored = mergeCounters(this.#uncertain?.counters ?? NO_COUNTERS, this.#counters);
    return mergeCounters(this.#earlier, unstored);
  }

  /**
   * Stores the collected counters and rows. Must not be called while another flush is in progress. What the store lacks a right for
   * stays here, for the next flush.
   *
   * @throws The errors of the store, and an error that names the missing right. Then nothing is lost.
   * @param progress Progress of the group; null if it is not known.
   * @param active False for the last flush of a process.
   */
  async flush(progress: GroupProgress | null, active: boolean): Promise<void> {
    if (this.#uncertain !== null) await this.#send(this.#uncertain);
    const changed = new Map(
      [...this.#endpoints, ...this.#options.endpoints()].map((state) => [state.endpointKey, state]),
    );
    const { instanceId, streamName, consumerName, queueGroup, description, silentAfterMs } = this.#options;
    const flush: StatisticsFlush = {
      instanceId,
      streamName,
      consumerName,
      queueGroup,
      description,
      silentAfterMs,
      number: ++this.#number,
      counters: this.#counters,
      progress,
      active,
      attempts: this.#discards.length === 0 ? this.#attempts : [...this.#attempts, ...this.#discards],
      deadLetters: this.#deadLetters,
      endpoints: [...changed.values()],
    };
    this.#endpoints = [];
    this.#counters = NO_COUNTERS;
    this.#attempts = [];
    this.#discards = [];
    this.#deadLetters = [];
    this.#uncertainBytes = this.#bytes;
    this.#bytes = 0;
    const { missingRight } = await this.#send(flush);
    if (missingRight !== null) throw new Error(missingRight);
  }

  async #send(flush: StatisticsFlush): Promise<FlushReport> {
    this.#uncertain = flush;
    const report = await this.#store.store(flush);
    this.#uncertain = null;
    this.#uncertainBytes = 0;
    const { refused, areCountersStored, waiting } = report;
    const rowsDropped = refused.reduce((sum, { rows }) => sum + rows, 0);
    const counted = mergeCounters(flush.counters, { ...NO_COUNTERS, rowsDropped });
    if (areCountersStored) this.#earlier = mergeCounters(this.#earlier, counted);
    else this.#count(counted);
    this.#keepAgain(waiting);
    if (refused.length > 0) this.#onRefused(refused);
    return report;
  }

  /** Their place in the buffer was not given away: until now they were counted with the flush. */
  #keepAgain({ attempts, deadLetters, endpoints }: FlushReport['waiting']): void {
    for (const attempt of attempts) this.#bytes += sizeOfAttempt(attempt);
    for (const deadLetter of deadLetters) this.#bytes += sizeOfDeadLetter(deadLetter);
    if (attempts.length > 0) {
      const isDiscard = ({ verdict }: AttemptRecord) => verdict === 'discard';
      this.#attempts = [...attempts.filter((row) => !isDiscard(row)), ...this.#attempts];
      this.#discards = [...attempts.filter(isDiscard), ...this.#discards];
    }
    if (deadLetters.length > 0) this.#deadLetters = [...deadLetters, ...this.#deadLetters];
    this.#endpoints = endpoints.slice(-MOST_WAITING_STATES);
  }

  #rowsLike({ verdict }: AttemptRecord): AttemptRecord[] {
    return verdict === 'discard' ? this.#discards : this.#attempts;
  }

  #keep<T>(rows: T[], row: T, bytes: number): void {
    while (!this.#hasRoomFor(bytes)) {
      const discard = (rows as unknown) === this.#discards ? undefined : this.#discards.pop();
      this.#count({ ...NO_COUNTERS, rowsDropped: 1 });
      if (discard === undefined) return;
      this.#bytes -= sizeOfAttempt(discard);
    }
    rows.push(row);
    this.#bytes += bytes;
  }

  #hasRoomFor(bytes: number): boolean {
    const { maxRows, maxBytes } = this.#options;
    return this.rows < maxRows && this.#bytes + this.#uncertainBytes + bytes <= maxBytes;
  }

  #count(counters: Counters): void {
    this.#counters = mergeCounters(this.#counters, counters);
  }
}
