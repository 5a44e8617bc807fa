import type { Counters, GroupProgress } from '../../core/records/statistics.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { Service } from '../../runtime/service.ts';
import { StatisticsBuffer, type StatisticsBufferOptions, type StatisticsStore } from './statistics-buffer.ts';

export type StatisticsOptions = StatisticsBufferOptions & {
  readonly intervalMs: number;
  readonly log: Logger;
  /** Resolves to the progress of the group; to null if NATS cannot tell now. */
  progress(): Promise<GroupProgress | null>;
};

/** A store that must be prepared before the first flush, and maintained regularly. */
export interface MaintainedStatisticsStore extends StatisticsStore {
  /** Creates tables and partitions, and drops rows that are too old. Runs before the first flush and every hour. */
  maintain(): Promise<void>;
}

/**
 * From this many rows on, a flush starts early, so that the flushes of a busy worker stay small. Below it, flushes are
 * periodic.
 */
const FLUSH_ROWS = 5000;
const MAINTAIN_EVERY_MS = 3_600_000;
/** How often a failed flush is logged while PostgreSQL is away, in milliseconds. */
const LOG_AWAY_EVERY_MS = 60_000;
const KEPT =
  'Deliveries go on. The worker keeps the statistics, and stores them when PostgreSQL answers again.';

/** Flushes counters and rows every `intervalMs`. While PostgreSQL is away, they are kept for a later flush. */
export class Statistics implements Service {
  readonly name = 'statistics';
  readonly #options: StatisticsOptions;
  readonly #store: MaintainedStatisticsStore;
  readonly #buffer: StatisticsBuffer;
  #stopTimer = () => {};
  #underWay: Promise<boolean> | null = null;
  #maintainedAt = Number.NEGATIVE_INFINITY;
  readonly #away: ProblemLog;
  #problem: string | null = null;
  #stopped = false;

  constructor(options: StatisticsOptions, store: MaintainedStatisticsStore) {
    this.#options = options;
    this.#store = store;
    this.#buffer = new StatisticsBuffer(options, store);
    this.#away = new ProblemLog({
      againAfterMs: LOG_AWAY_EVERY_MS,
      sayOver: () => options.log.info({}, 'statistics.recovered'),
    });
  }

  add(...happened: Parameters<StatisticsBuffer['add']>): void {
    this.#buffer.add(...happened);
    if (this.#problem === null && this.#buffer.rows >= FLUSH_ROWS) void this.flush();
  }

  /** Everything that this process has counted since its start. */
  get total(): Counters {
    return this.#buffer.total;
  }

  /** Why flushes are not stored, for /health; null while they are. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Rows that wait for a flush. */
  get rows(): number {
    return this.#buffer.rows;
  }

  async start(): Promise<void> {
    this.#stopTimer = every(this.#options.intervalMs, () => void this.flush());
    void this.flush();
  }

  /** Resolves to true if everything that was counted is stored. Concurrent calls share one flush. Never rejects. */
  flush(): Promise<boolean> {
    this.#underWay ??= this.#flush().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /** Makes the last flush, which marks this worker as no longer active. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopTimer();
    await this.#underWay;
    await this.flush();
  }

  async #flush(): Promise<boolean> {
    try {
      // Read even while PostgreSQL is away: a durable that was deleted starts again at the last known progress.
      const progress = await this.#options.progress();
      if (performance.now() - this.#maintainedAt >= MAINTAIN_EVERY_MS) {
        await this.#store.maintain();
        this.#maintainedAt = performance.now();
      }
      await this.#buffer.flush(progress, !this.#stopped);
      this.#away.clear();
      this.#problem = null;
      return true;
    } catch (error) {
      this.#problem = errorMessage(error);
      const fields = { error: this.#problem, rows: this.#buffer.rows, hint: KEPT };
      this.#away.report(() => this.#options.log.warn(fields, 'statistics.store_failed'));
      return false;
    }
  }
}
