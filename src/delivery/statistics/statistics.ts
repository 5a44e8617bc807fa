import type { Counters, GroupProgress } from '../../core/records/statistics.ts';
import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';
import { StatisticsBuffer, type StatisticsBufferOptions, type StatisticsStore } from './statistics-buffer.ts';

export type StatisticsOptions = StatisticsBufferOptions & {
  readonly intervalMs: number;
  readonly log: Logger;
  /** How far the group is; null where that cannot be asked now. */
  progress(): Promise<GroupProgress | null>;
};

/** The store, as it must be made ready before the first flush and looked after now and then. */
export interface MaintainedStatisticsStore extends StatisticsStore {
  /** Makes tables and partitions, drops what is too old. Runs before the first flush and every hour. */
  maintain(): Promise<void>;
}

/** Rows that are enough for a flush before its time, so that a busy worker's flushes stay small. */
const FLUSH_ROWS = 5000;
const MAINTAIN_EVERY_MS = 3_600_000;
/** How often a PostgreSQL that stays away is spoken of, in milliseconds. */
const LOG_AWAY_EVERY_MS = 60_000;
const KEPT =
  'Deliveries go on. The worker keeps the statistics, and stores them when PostgreSQL takes them again.';

/** Flushes what was counted every `intervalMs`. PostgreSQL being away only makes it wait. */
export class Statistics implements Service {
  readonly name = 'statistics';
  readonly #options: StatisticsOptions;
  readonly #keeper: MaintainedStatisticsStore;
  readonly #buffer: StatisticsBuffer;
  #timer: NodeJS.Timeout | undefined;
  #underWay: Promise<boolean> | null = null;
  #maintainedAt = Number.NEGATIVE_INFINITY;
  #saidAwayAt = Number.NEGATIVE_INFINITY;
  #problem: string | null = null;
  #stopped = false;

  constructor(options: StatisticsOptions, store: MaintainedStatisticsStore) {
    this.#options = options;
    this.#keeper = store;
    this.#buffer = new StatisticsBuffer(options, store);
  }

  add(...happened: Parameters<StatisticsBuffer['add']>): void {
    this.#buffer.add(...happened);
    if (this.#problem === null && this.#buffer.rows >= FLUSH_ROWS) void this.flush();
  }

  /** What this process counted since it started. */
  get total(): Counters {
    return this.#buffer.total;
  }

  /** Null while flushes are stored; else why they are not, for health. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Rows that wait for a flush. */
  get rows(): number {
    return this.#buffer.rows;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.flush(), this.#options.intervalMs);
    void this.flush();
  }

  /** Resolves to whether what was counted is stored. One at a time. Never rejects. */
  flush(): Promise<boolean> {
    this.#underWay ??= this.#flush().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /** The last flush, which says that this worker is no longer active. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#underWay;
    await this.flush();
  }

  async #flush(): Promise<boolean> {
    try {
      // Asked before PostgreSQL, which may be away: a durable that vanishes starts again where it was seen last.
      const progress = await this.#options.progress();
      if (performance.now() - this.#maintainedAt >= MAINTAIN_EVERY_MS) {
        await this.#keeper.maintain();
        this.#maintainedAt = performance.now();
      }
      await this.#buffer.flush(progress, !this.#stopped);
      if (this.#problem !== null) this.#options.log.info({}, 'statistics.recovered');
      this.#problem = null;
      this.#saidAwayAt = Number.NEGATIVE_INFINITY;
      return true;
    } catch (error) {
      this.#problem = errorMessage(error);
      if (performance.now() - this.#saidAwayAt >= LOG_AWAY_EVERY_MS) {
        this.#saidAwayAt = performance.now();
        this.#options.log.warn(
          { error: this.#problem, rows: this.#buffer.rows, hint: KEPT },
          'statistics.store_failed',
        );
      }
      return false;
    }
  }
}
