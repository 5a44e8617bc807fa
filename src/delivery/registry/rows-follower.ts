import type { EndpointRow } from '../../core/endpoint/row.ts';
import { RowVersions } from '../../core/endpoint/row-versions.ts';
import type { Clock } from '../../runtime/clock.ts';
import { errorMessage } from '../../runtime/failure.ts';

/** The store of the rows. */
export interface WebhookStore {
  /** A state of all rows: the sums of their versions by groups. While `layout` is the same, an unchanged version means an unchanged row. */
  state(): Promise<{ readonly layout: string; readonly sums: ReadonlyMap<number, number> }>;
  /** The versions of all rows of these groups, by their ids. */
  versions(buckets: Iterable<number>): Promise<ReadonlyMap<number, number>>;
  /** Rows by their ids, without those that do not exist. */
  rows(ids: Iterable<number>): Promise<readonly { readonly row: EndpointRow; readonly version: number }[]>;
}

export type RowsFollowerOptions = {
  readonly store: WebhookStore;
  readonly clock: Clock;
  /** Called for rows that are new or changed, and for the ids of rows that are deleted. */
  onRows(changed: readonly EndpointRow[], deleted: readonly number[]): void;
  /** Called after a read. @param asOf When it began, if it compared all rows; null: it read only some rows. */
  onRead(asOf: number | null): void;
  /** Called when a read failed, or when an answer takes too long. The next read compares all rows. */
  onFailed(error: string): void;
};

/** So many rows are read at once. With more, a large registry would stop the deliveries for longer than 20 ms. */
const READ_AT_ONCE = 1000;

/** If more rows may have changed, all are compared instead, which costs as much as reading about so many rows. */
const MOST_IDS = 2000;

/** An answer that takes longer counts as failed, in milliseconds. A server that hangs fails a query only after a minute. */
const SLOW_MS = 5000;

/** Follows the rows of a store: reads what changed, and not all. */
export class RowsFollower {
  readonly #options: RowsFollowerOptions;
  readonly #versions = new RowVersions();
  #layout = '';
  #reading: Promise<void> | null = null;
  /** Ids of rows that may have changed, or all. */
  #pending: Set<number> | 'all' = new Set();
  #hasCompared = false;
  /** When the last comparison of all rows ended, and how long it took, in milliseconds. */
  lastComparison = { endedAt: Number.NEGATIVE_INFINITY, tookMs: 0 };

  constructor(options: RowsFollowerOptions) {
    this.#options = options;
  }

  /**
   * Reads rows that may have changed, or compares all rows with the store and reads those that differ. If a read is in progress,
   * another one follows it, so that no change is missed. Resolves after the last read, also if it failed.
   */
  follow(ids: Iterable<number> | 'all'): Promise<void> {
    if (ids === 'all' || this.#pending === 'all') this.#pending = 'all';
    else for (const id of ids) this.#pending.add(id);
    if (this.#hasPending()) this.#reading ??= this.#readPending();
    return this.idle();
  }

  /** Resolves when no read is in progress. */
  async idle(): Promise<void> {
    await this.#reading;
  }

  async #readPending(): Promise<void> {
    let isRead = true;
    while (isRead && this.#hasPending()) {
      const ids = this.#pending;
      this.#pending = new Set();
      const isAll = ids === 'all' || ids.size > MOST_IDS || !this.#hasCompared;
      isRead = await this.#readOnce(isAll ? 'all' : [...ids]);
    }
    this.#reading = null;
  }

  #hasPending(): boolean {
    return this.#pending === 'all' || this.#pending.size > 0;
  }

  async #readOnce(ids: readonly number[] | 'all'): Promise<boolean> {
    const { clock, onRead, onFailed } = this.#options;
    const startedAt = clock.now();
    try {
      await (ids === 'all' ? this.#compare() : this.#read(ids));
      this.#hasCompared = true;
      onRead(ids === 'all' ? startedAt : null);
      return true;
    } catch (error) {
      this.#pending = 'all';
      onFailed(errorMessage(error));
      return false;
    } finally {
      const endedAt = clock.now();
      if (ids === 'all') this.lastComparison = { endedAt, tookMs: endedAt - startedAt };
    }
  }

  async #compare(): Promise<void> {
    const { store, onRows } = this.#options;
    const { layout, sums } = await this.#inTime(store.state());
    if (layout !== this.#layout) this.#versions.forget();
    this.#layout = layout;
    const buckets = this.#versions.differingBuckets(sums);
    if (buckets.size === 0) return;
    const stored = await this.#inTime(store.versions(buckets));
    const { changed, deleted } = this.#versions.differences(buckets, stored);
    for (const id of deleted) this.#versions.delete(id);
    if (deleted.length > 0) onRows([], deleted);
    await this.#read(changed);
  }

  async #read(ids: readonly number[]): Promise<void> {
    const { store } = this.#options;
    const part = (from: number) => ids.slice(from, from + READ_AT_ONCE);
    const readPart = (from: number) => (from < ids.length ? this.#inTime(store.rows(part(from))) : null);
    let reading = readPart(0);
    for (let from = 0; reading !== null; from += READ_AT_ONCE) {
      const rows = await reading;
      // The store reads the next part while this part is applied.
      reading = readPart(from + READ_AT_ONCE);
      reading?.catch(() => {});
      this.#apply(part(from), rows);
    }
  }

  #apply(ids: readonly number[], rows: Awaited<ReturnType<WebhookStore['rows']>>): void {
    const found = new Set(rows.map(({ row }) => row.id));
    const deleted = ids.filter((id) => !found.has(id) && this.#versions.get(id) !== undefined);
    const changed = rows.filter(({ row, version }) => this.#versions.get(row.id) !== version);
    for (const id of deleted) this.#versions.delete(id);
    for (const { row, version } of changed) this.#versions.set(row.id, version);
    const changedRows = changed.map(({ row }) => row);
    if (changedRows.length + deleted.length > 0) this.#options.onRows(changedRows, deleted);
  }

  /** Reports an answer that takes too long while it is awaited. */
  async #inTime<T>(answer: Promise<T>): Promise<T> {
    const { clock, onFailed } = this.#options;
    const cancel = clock.after(SLOW_MS, () => onFailed(`no answer within ${SLOW_MS / 1000} s`));
    return answer.finally(cancel);
  }
}
