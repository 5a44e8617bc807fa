import type { RefusedRows } from '../../core/records/refusal.ts';
import type { Counters, GroupProgress } from '../../core/records/statistics.ts';
import { every } from '../../runtime/every.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
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
  /** Creates the tables. Runs before the first flush, until it succeeds. */
  prepare(): Promise<void>;
  /** Creates partitions, and drops rows that are too old. Runs after the first flush and every hour, beside the flushes. */
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
/** How often the same refusal is logged, in milliseconds. */
const LOG_REFUSED_EVERY_MS = 3_600_000;
const REFUSED =
  'PostgreSQL refuses these rows. The worker drops them, and counts them in rows_dropped. Where rows is 0, it drops nothing, and tries again with the next flush. It stores all other statistics. Correct the table or the encoding of the database, as error says.';
const UNMAINTAINED =
  'The worker stores statistics without this maintenance, and tries again after an hour. Correct the table, as error says.';

/** Flushes counters and rows every `intervalMs`. While PostgreSQL is away, they are kept for a later flush. */
export class Statistics implements Service {
  readonly name = 'statistics';
  readonly #options: StatisticsOptions;
  readonly #store: MaintainedStatisticsStore;
  readonly #buffer: StatisticsBuffer;
  #stopTimer = () => {};
  #underWay: Promise<boolean> | null = null;
  #preparing: Promise<void> | null = null;
  #isPrepared = false;
  #isMaintaining = false;
  readonly #stopping: Promise<void>;
  #signalStop = () => {};
  readonly #refusals = new ProblemLog({ againAfterMs: LOG_REFUSED_EVERY_MS });
  #maintainedAt = Number.NEGATIVE_INFINITY;
  readonly #away: ProblemLog;
  #problem: string | null = null;
  #stopped = false;

  constructor(options: StatisticsOptions, store: MaintainedStatisticsStore) {
    this.#options = options;
    this.#store = store;
    this.#stopping = new Promise((resolve) => {
      this.#signalStop = resolve;
    });
    this.#buffer = new StatisticsBuffer(options, store, (refused) => this.#sayRefused(refused));
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

  /** Makes the last flush, which marks this worker as no longer active. Maintenance under way is left to another worker. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#stopTimer();
    this.#signalStop();
    await this.#underWay;
    await this.flush();
  }

  async #flush(): Promise<boolean> {
    try {
      // Read even while PostgreSQL is away: a durable that was deleted starts again at the last known progress.
      const progress = await this.#options.progress();
      await this.#prepared();
      await this.#buffer.flush(progress, !this.#stopped);
      this.#away.clear();
      this.#problem = null;
      this.#maintainIfDue();
      return true;
    } catch (error) {
      this.#problem = errorMessage(error);
      const fields = { error: this.#problem, rows: this.#buffer.rows, hint: KEPT };
      this.#away.report(() => this.#options.log.warn(fields, 'statistics.store_failed'));
      return false;
    }
  }

  /**
   * Resolves when the tables exist. A migration may wait for minutes for a lock: a stop does not wait for it, and stores what the
   * tables take as they are, because the rows would be lost otherwise.
   */
  async #prepared(): Promise<void> {
    if (this.#isPrepared) return;
    this.#preparing ??= this.#store
      .prepare()
      .then(() => {
        this.#isPrepared = true;
      })
      .finally(() => {
        this.#preparing = null;
      });
    await Promise.race([this.#preparing, this.#stopping]);
  }

  /** Beside the flushes: neither a lock that maintenance waits for nor its failure delays them. */
  #maintainIfDue(): void {
    const isDue = performance.now() - this.#maintainedAt >= MAINTAIN_EVERY_MS;
    if (!isDue || this.#stopped || this.#isMaintaining) return;
    this.#maintainedAt = performance.now();
    this.#isMaintaining = true;
    void this.#store
      .maintain()
      .catch((error) => {
        if (this.#stopped) return;
        const fields = { code: errorCode(error), error: errorMessage(error), hint: UNMAINTAINED };
        this.#options.log.warn(fields, 'statistics.maintenance_failed');
      })
      .finally(() => {
        this.#isMaintaining = false;
      });
  }

  #sayRefused(refused: readonly RefusedRows[]): void {
    for (const { table, rows, code, error } of refused) {
      this.#refusals.report(
        () => this.#options.log.warn({ table, rows, code, error, hint: REFUSED }, 'statistics.rows_refused'),
        `${table} ${code}`,
      );
    }
  }
}
