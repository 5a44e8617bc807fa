import type { Clock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { withTimeout } from '../runtime/with-timeout.ts';

/** A table of few rows that is read whole. */
export interface FollowedTable<T> {
  /**
   * The rows, and what tells whether they changed.
   *
   * @param known The version of the last read; null: none. If it is still the version, `rows` is undefined.
   */
  read(known: string | null): Promise<{ readonly version: string; readonly rows?: T }>;
  /** Calls `changed` soon after every change, and whenever a notification may have been lost. */
  listen(changed: () => void): { stop(): void };
}

export type TableFollowerOptions<T> = {
  readonly table: FollowedTable<T>;
  /** Its name, for the log. */
  readonly what: string;
  readonly clock: Clock;
  readonly log: Logger;
  onRead(rows: T): void;
};

/**
 * The table is compared this often, in milliseconds, because notifications may be lost, and none come through a PgBouncer with
 * transaction pooling. A comparison transfers no rows.
 */
const COMPARE_EVERY_MS = 500;

/** How long a start waits for the first read, in milliseconds. After it, the start goes on without the rows. */
const FIRST_READ_MS = 2000;

/** The shortest pause between two reads that callers ask for, and how long a caller waits, in milliseconds. */
const REFRESH_EVERY_MS = 250;
const REFRESH_WITHIN_MS = 1000;

const HINT = 'The last known rows are used until the table can be read again.';

/** Follows a table: by notifications, and by comparing it again and again. */
export class TableFollower<T> {
  readonly #options: TableFollowerOptions<T>;
  #version: string | null = null;
  #reading: Promise<void> | null = null;
  #isPending = false;
  #readAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | null = null;
  #problem: string | null = null;
  #stopTimer = () => {};
  #listening: { stop(): void } | null = null;

  constructor(options: TableFollowerOptions<T>) {
    this.#options = options;
  }

  /** Why the table cannot be read now; null: it can. */
  get problem(): string | null {
    return this.#problem;
  }

  async start(): Promise<void> {
    const { table, clock } = this.#options;
    this.#listening = table.listen(() => void this.#follow());
    this.#stopTimer = every(COMPARE_EVERY_MS, () => this.#follow(), { clock });
    await withTimeout(FIRST_READ_MS, this.#follow(), clock);
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    this.#listening?.stop();
    this.#isPending = false;
    await this.#reading;
  }

  /**
   * Compares the table soon, once for all concurrent callers. Resolves after it, also if it failed, and within a second also if
   * PostgreSQL hangs.
   */
  async refreshed(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    await withTimeout(REFRESH_WITHIN_MS, this.#refreshing, this.#options.clock);
  }

  async #refresh(): Promise<void> {
    const { clock } = this.#options;
    const leftMs = this.#readAt + REFRESH_EVERY_MS - clock.now();
    if (leftMs > 0) await new Promise<void>((resolve) => clock.after(leftMs, resolve));
    await this.#follow();
  }

  /** Reads the table. If a read is under way, another one follows, so that no change is missed. */
  #follow(): Promise<void> {
    this.#isPending = true;
    this.#reading ??= this.#readPending().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readPending(): Promise<void> {
    while (this.#isPending) {
      this.#isPending = false;
      await this.#readOnce();
      this.#readAt = this.#options.clock.now();
    }
  }

  async #readOnce(): Promise<void> {
    const { table, what, log, onRead } = this.#options;
    try {
      const { version, rows } = await table.read(this.#version);
      if (rows !== undefined) onRead(rows);
      this.#version = version;
      if (this.#problem !== null) log.info({ table: what }, 'table.read_recovered');
      this.#problem = null;
    } catch (error) {
      const hadProblem = this.#problem !== null;
      this.#problem = `${what}: ${errorMessage(error)}`;
      if (!hadProblem) log.warn({ table: what, error: errorMessage(error), hint: HINT }, 'table.read_failed');
    }
  }
}
