import { type Endpoint, endpointOf, type RegistryPolicy } from '../../core/endpoint/endpoint.ts';
import { Registry } from '../../core/endpoint/registry.ts';
import type { EndpointRow } from '../../core/endpoint/row.ts';
import type { Delivery } from '../../core/message/delivery.ts';
import type { Clock } from '../../runtime/clock.ts';
import { every } from '../../runtime/every.ts';
import { errorMessage } from '../../runtime/failure.ts';
import { Listeners } from '../../runtime/listeners.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import type { RegistrySnapshot } from '../resolve.ts';
import { RowsFollower, type WebhookStore } from './rows-follower.ts';
import { WrongRowsLog } from './wrong-rows-log.ts';

/** What may have changed in the database. */
export type RowsChange = {
  /** Ids of rows of `rule_webhooks`, or all of them. */
  readonly ids: Iterable<number> | 'all';
  /** True if the limits in `rule_nats_endpoints` may have changed. */
  readonly limits: boolean;
};

/** The rows in the database. */
export interface WebhookRows extends WebhookStore {
  /** Calls `changed` soon after every change, and with all rows whenever a notification may have been lost. */
  listen(changed: (change: RowsChange) => void): { stop(): void };
  /** Disables a row, with time and reason, if the row still matches `onlyIf`. Resolves to true for the first worker only. */
  disable(id: number, reason: string, onlyIf: { url?: string; failingSince?: number }): Promise<boolean>;
  /** Stores since when every attempt at the endpoint fails, in milliseconds since 1970; null: an attempt succeeded. */
  noteFailing(id: number, since: number | null): Promise<boolean>;
}

export type WebhookRegistryOptions = {
  readonly policy: RegistryPolicy;
  readonly rows: WebhookRows;
  /** SUBJECT and ORDERED_SUBJECT: the subjects that this group consumes. */
  readonly subjects: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
};

/** All rows are compared at least this often, in milliseconds, because a notification of a change may be lost. */
const COMPARE_EVERY_MS = 30_000;
/** If more endpoints changed at once, the listeners look at all endpoints. */
const MOST_KEYS = 1000;

/** What an operator can do. */
const HINT = {
  neverRead: 'Until the worker can read rule_webhooks, messages without a URL are parked.',
  lastKnown: 'The worker uses the last known rows until rule_webhooks can be read again.',
  disabled: 'Set enabled = true in the row of rule_webhooks, and the worker delivers to the endpoint again.',
  notDisabled:
    'The worker tries again by itself. Check that PostgreSQL answers, and what the role of the worker may do.',
};

/**
 * How long deliveries wait for the first read, in milliseconds. After it, messages without a URL are parked until the rows are
 * read.
 */
const FIRST_READ_MS = 2000;

/**
 * The shortest pause between two comparisons for messages that no known row matches, in milliseconds. After a slow one the pause is
 * longer, so that comparisons take at most a tenth of the time.
 */
const REFRESH_EVERY_MS = 250;
const MAX_READING_SHARE = 1 / 10;

/** The current rows of `rule_webhooks`. While PostgreSQL is away, the last known rows are used. */
export class WebhookRegistry {
  readonly #options: WebhookRegistryOptions;
  readonly #changed = new Listeners<[keys: ReadonlySet<string> | null]>();
  readonly #limitsNotified = new Listeners();
  /** Filled by the first comparison. `#known` has it from the end of this comparison on. */
  readonly #registry = new Registry();
  #known: RegistrySnapshot | null = null;
  readonly #follower: RowsFollower;
  readonly #wrongRows: WrongRowsLog;
  /** Keys of the endpoints that changed since the listeners were called. */
  readonly #changedKeys = new Set<string>();
  #refreshing: Promise<void> | null = null;
  #stopTimer = () => {};
  #listening: { stop(): void } | null = null;
  #problem: string | null = null;

  constructor(options: WebhookRegistryOptions) {
    const { rows, subjects, clock, log } = options;
    this.#options = options;
    this.#wrongRows = new WrongRowsLog({ subjects, clock, log });
    this.#follower = new RowsFollower({
      store: rows,
      clock,
      onRows: (changed, deleted) => this.#apply(changed, deleted),
      onRead: (asOf) => this.#onRead(asOf ?? this.#known!.asOf),
      onFailed: (error) => this.#onReadFailed(error),
    });
  }

  /**
   * Adds a listener that is called when rows changed, cannot be read any more, or can be read again. It gets the keys of the changed
   * endpoints; null: any endpoint may be concerned.
   */
  onChanged(listener: (keys: ReadonlySet<string> | null) => void): void {
    this.#changed.add(listener);
  }

  /** Adds a listener that is called when the limits in `rule_nats_endpoints` may have changed. */
  onLimitsNotified(listener: () => void): void {
    this.#limitsNotified.add(listener);
  }

  /** Null while the rows have never been read. */
  get snapshot(): RegistrySnapshot | null {
    return this.#known;
  }

  get known(): Registry | null {
    return this.#known?.registry ?? null;
  }

  /** Why the rows cannot be read now; null if they can. */
  get problem(): string | null {
    return this.#problem;
  }

  async start(): Promise<void> {
    const { rows, clock } = this.#options;
    this.#listening = rows.listen(({ ids, limits }) => {
      void this.#follower.follow(ids);
      if (limits) this.#limitsNotified.call();
    });
    this.#stopTimer = every(COMPARE_EVERY_MS, () => this.#follower.follow('all'), { clock });
    await withTimeout(FIRST_READ_MS, this.#follower.follow('all'), clock);
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    this.#listening?.stop();
    this.#wrongRows.stop();
    await this.#follower.idle();
  }

  /** Compares all rows soon, once for all concurrent callers. Resolves after the comparison, also if it failed. */
  refreshed(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** Disables the row of an endpoint that answered 410. */
  disableGone(delivery: Pick<Partial<Delivery>, 'endpoint'>): void {
    const row = delivery.endpoint?.row;
    if (row != null) void this.disable(row, 'the endpoint answered 410 Gone', { url: row.url });
  }

  async disable(
    { id, name }: EndpointRow,
    reason: string,
    onlyIf: Parameters<WebhookRows['disable']>[2],
  ): Promise<void> {
    const { rows, log } = this.#options;
    try {
      if (!(await rows.disable(id, reason, onlyIf))) return;
      // Read now, without waiting for the notification: until the read, every message would get a 410 and become a dead letter.
      await this.#follower.follow([id]);
      log.warn({ endpoint: name, reason, hint: HINT.disabled }, 'endpoint.disabled');
    } catch (error) {
      log.error(
        { endpoint: name, reason, error: errorMessage(error), hint: HINT.notDisabled },
        'endpoint.disable_failed',
      );
    }
  }

  async noteFailing({ id }: EndpointRow, since: number | null): Promise<void> {
    if (await this.#options.rows.noteFailing(id, since)) void this.#follower.follow([id]);
  }

  async #refresh(): Promise<void> {
    const { clock } = this.#options;
    const { endedAt, tookMs } = this.#follower.lastComparison;
    const leftMs = endedAt + Math.max(REFRESH_EVERY_MS, tookMs / MAX_READING_SHARE) - clock.now();
    if (leftMs > 0) await new Promise<void>((resolve) => clock.after(leftMs, resolve));
    await this.#follower.follow('all');
  }

  #onRead(asOf: number): void {
    const isFirst = this.#known === null;
    const hadProblem = this.#problem !== null;
    const keys = new Set(this.#changedKeys);
    this.#problem = null;
    this.#known = { registry: this.#registry, asOf };
    if (isFirst) this.#logFirstRead(asOf);
    this.#changedKeys.clear();
    if (isFirst || hadProblem || keys.size > MOST_KEYS) this.#changed.call(null);
    else if (keys.size > 0) this.#changed.call(keys);
  }

  #logFirstRead(asOf: number): void {
    const { clock, log } = this.#options;
    log.info({ rows: this.#registry.size, tookMs: Math.round(clock.now() - asOf) }, 'registry.read');
  }

  #apply(changed: readonly EndpointRow[], deleted: readonly number[]): void {
    const endpoints = changed.map((row) => endpointOf(row, this.#options.policy));
    for (const endpoint of endpoints) {
      this.#noteKey(this.#registry.byId(endpoint.row.id));
      this.#registry.put(endpoint);
      this.#noteKey(this.#registry.byId(endpoint.row.id));
    }
    for (const id of deleted) this.#noteKey(this.#registry.delete(id));
    this.#wrongRows.onRows(endpoints, deleted);
  }

  #noteKey(endpoint: Endpoint | undefined): void {
    if (endpoint !== undefined && this.#changedKeys.size <= MOST_KEYS) this.#changedKeys.add(endpoint.key);
  }

  #onReadFailed(error: string): void {
    const { log } = this.#options;
    const hadProblem = this.#problem !== null;
    this.#problem = `rule_webhooks: ${error}`;
    if (hadProblem) return;
    const hint = this.#known === null ? HINT.neverRead : HINT.lastKnown;
    log.warn({ error, hint }, 'registry.read_failed');
    this.#changed.call(null);
  }
}
