import { endpointOf, type RegistryPolicy } from '../../core/endpoint/endpoint.ts';
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
import { WrongRowsLog } from './wrong-rows-log.ts';

/** The store of the rows. */
export interface WebhookRows {
  read(): Promise<readonly EndpointRow[]>;
  /**
   * Calls `changed` soon after every change of `rule_webhooks` or `rule_nats_endpoints`, and whenever a notification may have
   * been lost.
   */
  listen(changed: () => void): { stop(): void };
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

/** The rows are read at least this often, in milliseconds, because a notification of a change may be lost. */
const READ_EVERY_MS = 30_000;

/** What an operator can do. */
const HINT = {
  neverRead: 'Until the worker can read rule_webhooks, messages without a URL are parked.',
  lastKnown: 'The worker uses the last known rows until rule_webhooks can be read again.',
  disabled: 'Set enabled = true in the row of rule_webhooks, and the worker delivers to the endpoint again.',
  notDisabled:
    'The worker tries again by itself. Check that PostgreSQL answers, and what the role of the worker may do.',
};

/** A read that takes longer counts as failed, in milliseconds. A server that hangs fails a query only after a minute. */
const SLOW_MS = 5000;

/**
 * How long deliveries wait for the first read, in milliseconds. After it, messages without a URL are parked until the rows are
 * read.
 */
const FIRST_READ_MS = 2000;

/**
 * The shortest pause between two reads for messages that no known row matches, in milliseconds. After a slow read the pause is
 * longer, so that reads take at most a tenth of the time.
 */
const REFRESH_EVERY_MS = 250;
const MAX_READING_SHARE = 1 / 10;

/** The current rows of `rule_webhooks`. While PostgreSQL is away, the last known rows are used. */
export class WebhookRegistry {
  readonly #options: WebhookRegistryOptions;
  readonly #changed = new Listeners();
  readonly #notified = new Listeners();
  #known: RegistrySnapshot | null = null;
  readonly #wrongRows: WrongRowsLog;
  #last = '';
  #reading: Promise<void> | null = null;
  #again = false;
  #refreshing: Promise<void> | null = null;
  /** When the last read started and ended, on the clock of the options. */
  #startedAt = Number.NEGATIVE_INFINITY;
  #endedAt = Number.NEGATIVE_INFINITY;
  #stopTimer = () => {};
  #listening: { stop(): void } | null = null;
  #problem: string | null = null;

  constructor(options: WebhookRegistryOptions) {
    this.#options = options;
    this.#wrongRows = new WrongRowsLog(options.subjects, options.log);
  }

  /** Adds a listener that is called when the rows changed, cannot be read any more, or can be read again. */
  onChanged(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** Adds a listener that is called at every notification, because the limits in `rule_nats_endpoints` may have changed, too. */
  onNotified(listener: () => void): void {
    this.#notified.add(listener);
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
    this.#listening = rows.listen(() => {
      this.#read();
      this.#notified.call();
    });
    this.#stopTimer = every(READ_EVERY_MS, () => this.#read(), { clock });
    this.#read();
    await withTimeout(FIRST_READ_MS, this.#reading ?? Promise.resolve(), clock);
  }

  async stop(): Promise<void> {
    this.#stopTimer();
    this.#listening?.stop();
    await this.#reading;
  }

  /** Reads the rows soon, once for all concurrent callers. Resolves after the read, also if the read failed. */
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
      this.#read();
      await this.#reading;
      log.warn({ endpoint: name, reason, hint: HINT.disabled }, 'endpoint.disabled');
    } catch (error) {
      log.error(
        { endpoint: name, reason, error: errorMessage(error), hint: HINT.notDisabled },
        'endpoint.disable_failed',
      );
    }
  }

  async noteFailing({ id }: EndpointRow, since: number | null): Promise<void> {
    if (await this.#options.rows.noteFailing(id, since)) this.#read();
  }

  async #refresh(): Promise<void> {
    const { clock } = this.#options;
    const pauseMs = Math.max(REFRESH_EVERY_MS, (this.#endedAt - this.#startedAt) / MAX_READING_SHARE);
    const leftMs = this.#endedAt + pauseMs - clock.now();
    if (leftMs > 0) await new Promise<void>((resolve) => clock.after(leftMs, resolve));
    this.#read();
    await this.#reading;
  }

  /** Starts a read. If a read is in progress, another one follows it, so that no change is missed. */
  #read(): void {
    this.#again = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
  }

  async #readAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#readOnce();
    }
  }

  async #readOnce(): Promise<void> {
    const { rows, policy, clock } = this.#options;
    const startedAt = clock.now();
    const noAnswer = `no answer within ${SLOW_MS / 1000} s`;
    const cancel = clock.after(SLOW_MS, () => this.#onReadFailed(noAnswer));
    try {
      const read = await rows.read();
      const hadProblem = this.#problem !== null;
      this.#problem = null;
      const text = JSON.stringify(read);
      if (text === this.#last && this.#known !== null) {
        this.#known = { ...this.#known, asOf: startedAt };
        if (hadProblem) this.#changed.call();
        return;
      }
      this.#last = text;
      const endpoints = read.map((row) => endpointOf(row, policy));
      this.#known = { registry: new Registry(endpoints), asOf: startedAt };
      this.#wrongRows.onRead(endpoints);
      this.#changed.call();
    } catch (error) {
      this.#onReadFailed(errorMessage(error));
    } finally {
      cancel();
      this.#startedAt = startedAt;
      this.#endedAt = clock.now();
    }
  }

  #onReadFailed(error: string): void {
    const { log } = this.#options;
    const hadProblem = this.#problem !== null;
    this.#problem = `rule_webhooks: ${error}`;
    if (hadProblem) return;
    const hint = this.#known === null ? HINT.neverRead : HINT.lastKnown;
    log.warn({ error, hint }, 'registry.read_failed');
    this.#changed.call();
  }
}
