import type { EndpointRow } from '../../../src/core/endpoint/row.ts';
import { BUCKETS } from '../../../src/core/endpoint/row-versions.ts';
import type { RowsChange, WebhookRows } from '../../../src/delivery/registry/webhook-registry.ts';
import { registeredRow } from '../../core/endpoint/registered-row.ts';

/** Rows that a test changes by hand, as a store. Records what was asked. */
export class RowsInMemory implements WebhookRows {
  readonly #rows = new Map<number, { row: EndpointRow; version: number }>();
  #lastVersion = 0;
  layout = 'one';
  /** What was asked, in order: `state`, `versions of 1`, `rows 1,2`. */
  readonly asked: string[] = [];
  /** Called before each answer. May throw, or wait. */
  before: () => unknown = () => {};
  /** Tells the registry of a change. */
  notify: (change: RowsChange) => void = () => {};

  constructor(rows: readonly EndpointRow[] = []) {
    for (const row of rows) this.put(row);
  }

  put(row: Partial<EndpointRow>): void {
    const whole = registeredRow(row);
    this.#rows.set(whole.id, { row: whole, version: ++this.#lastVersion });
  }

  /** Changes a row without another version, as a new column with a default does. */
  putSilently(row: Partial<EndpointRow>): void {
    const whole = registeredRow(row);
    this.#rows.set(whole.id, { row: whole, version: this.#rows.get(whole.id)!.version });
  }

  delete(id: number): void {
    this.#rows.delete(id);
  }

  async state() {
    await this.#answer('state');
    const sums = new Map<number, number>();
    for (const [id, { version }] of this.#rows)
      sums.set(id % BUCKETS, (sums.get(id % BUCKETS) ?? 0) + version);
    return { layout: this.layout, sums };
  }

  async versions(buckets: Iterable<number>) {
    const asked = new Set(buckets);
    await this.#answer(`versions of ${asked.size}`);
    return new Map(
      [...this.#rows].filter(([id]) => asked.has(id % BUCKETS)).map(([id, { version }]) => [id, version]),
    );
  }

  async rows(ids: Iterable<number>) {
    const asked = [...ids];
    await this.#answer(`rows ${asked.join()}`);
    return asked.flatMap((id) => this.#rows.get(id) ?? []);
  }

  listen(changed: (change: RowsChange) => void) {
    this.notify = changed;
    return { stop() {} };
  }

  async disable() {
    return false;
  }

  async noteFailing() {
    return false;
  }

  async #answer(what: string): Promise<void> {
    this.asked.push(what);
    await this.before();
  }
}
