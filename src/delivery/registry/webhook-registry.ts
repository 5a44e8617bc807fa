import { setTimeout as wait } from 'node:timers/promises';
import { type Endpoint, endpointOf, Registry, type RegistryPolicy } from '../../core/endpoint/registry.ts';
import type { EndpointRow } from '../../core/endpoint/row.ts';
import type { Delivery } from '../../core/message/delivery.ts';
import { matches } from '../../core/subject.ts';
import { errorMessage } from '../../runtime/failure.ts';
import { Listeners } from '../../runtime/listeners.ts';
import type { Logger } from '../../runtime/logger.ts';
import { withTimeout } from '../../runtime/with-timeout.ts';
import type { RegistrySnapshot } from '../resolve.ts';

/** Where the rows are kept. */
export interface WebhookRows {
  read(): Promise<readonly EndpointRow[]>;
  /** Calls `changed` soon after every change, of what operators say in `rule_nats_endpoints` too, and whenever some may have gone unheard. */
  listen(changed: () => void): { stop(): void };
  /** Not enabled any more, with time and reason, if the row is still as it was known; once, whoever says it. */
  disable(id: number, reason: string, onlyIf: { url?: string; failingSince?: number }): Promise<boolean>;
  /** Since when it answers nothing but failures, in milliseconds since 1970; null: it does not. */
  noteFailing(id: number, since: number | null): Promise<boolean>;
}

export type WebhookRegistryOptions = {
  readonly policy: RegistryPolicy;
  readonly rows: WebhookRows;
  /** SUBJECT and ORDERED_SUBJECT: what messages come from. */
  readonly subjects: readonly string[];
  readonly log: Logger;
};

/** Rows that nobody tells us about are read this often, in milliseconds. */
const READ_EVERY_MS = 30_000;

/** What a person can do. */
const HINT = {
  neverRead: 'Until the worker can read rule_webhooks, messages without a URL are parked.',
  lastKnown: 'The worker uses the last known rows until rule_webhooks can be read again.',
  disabled: 'Set enabled = true in the row of rule_webhooks, and the worker delivers to the endpoint again.',
  notDisabled: 'The worker tries again by itself. Look whether PostgreSQL answers, and what its role may do.',
  invalid: 'The endpoint gets nothing. Correct the row of rule_webhooks and its secrets.',
  unreachable:
    'This group takes nothing from the nats_subject of the endpoint. Correct the row of rule_webhooks, or SUBJECT.',
};

/** Rows that take longer count as ones that cannot be read, in milliseconds: a server that hangs fails no query for a minute. */
const SLOW_MS = 5000;

/** How long deliveries wait for the first answer. */
const FIRST_READ_MS = 2000;

/** For messages that nobody seems to be registered for, we read no more often than this, in milliseconds, and a tenth of the time. */
const REFRESH_EVERY_MS = 250;
const MAX_READING_SHARE = 1 / 10;

/** The rows of `rule_webhooks` as they are now. While PostgreSQL is away, the last known ones serve. */
export class WebhookRegistry {
  readonly #options: WebhookRegistryOptions;
  readonly #changed = new Listeners();
  readonly #notified = new Listeners();
  #known: RegistrySnapshot | null = null;
  #last = '';
  #reading: Promise<void> | null = null;
  #again = false;
  #refreshing: Promise<void> | null = null;
  /** When the last read began and ended, on the clock of `performance.now()`. */
  #begun = Number.NEGATIVE_INFINITY;
  #ended = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #listening: { stop(): void } | null = null;
  #problem: string | null = null;

  constructor(options: WebhookRegistryOptions) {
    this.#options = options;
  }

  /** Called whenever the rows are others, and when they cannot be read any more, or can again. */
  onChanged(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** Called at every notification: what operators say in `rule_nats_endpoints` may be new, too. */
  onNotified(listener: () => void): void {
    this.#notified.add(listener);
  }

  /** Null while they have never been read. */
  get snapshot(): RegistrySnapshot | null {
    return this.#known;
  }

  get known(): Registry | null {
    return this.#known?.registry ?? null;
  }

  /** Why the rows cannot be read now; null: they can. */
  get problem(): string | null {
    return this.#problem;
  }

  async start(): Promise<void> {
    const { rows } = this.#options;
    this.#listening = rows.listen(() => {
      this.#read();
      this.#notified.call();
    });
    this.#timer = setInterval(() => this.#read(), READ_EVERY_MS);
    this.#read();
    await withTimeout(FIRST_READ_MS, this.#reading ?? Promise.resolve());
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#listening?.stop();
    await this.#reading;
  }

  /** Resolves when the rows were read, or could not be, once more: soon, and once for all that ask meanwhile. */
  refreshed(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** It answered 410: its row is not enabled any more. */
  disableGone(delivery: Pick<Partial<Delivery>, 'endpoint'>): void {
    const row = delivery.endpoint?.row;
    if (row != null) void this.disable(row, 'it answered 410 Gone', { url: row.url });
  }

  async disable(
    { id, name }: EndpointRow,
    reason: string,
    onlyIf: Parameters<WebhookRows['disable']>[2],
  ): Promise<void> {
    const { rows, log } = this.#options;
    try {
      if (!(await rows.disable(id, reason, onlyIf))) return;
      // Not when the notification comes: each message until then would be one more 410, and given up.
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
    const pauseMs = Math.max(REFRESH_EVERY_MS, (this.#ended - this.#begun) / MAX_READING_SHARE);
    const leftMs = this.#ended + pauseMs - performance.now();
    if (leftMs > 0) await wait(leftMs);
    this.#read();
    await this.#reading;
  }

  /** One at a time; a change while one is under way is read after it. */
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
    const { rows, policy } = this.#options;
    const begun = performance.now();
    const slow = setTimeout(() => this.#onReadFailed(`no answer within ${SLOW_MS / 1000} s`), SLOW_MS);
    try {
      const read = await rows.read();
      const wasInTrouble = this.#problem !== null;
      this.#problem = null;
      const text = JSON.stringify(read);
      if (text === this.#last && this.#known !== null) {
        this.#known = { ...this.#known, asOf: begun };
        if (wasInTrouble) this.#changed.call();
        return;
      }
      this.#last = text;
      const endpoints = read.map((row) => endpointOf(row, policy));
      this.#known = { registry: new Registry(endpoints), asOf: begun };
      for (const endpoint of endpoints) this.#logInvalidRow(endpoint);
      this.#changed.call();
    } catch (error) {
      this.#onReadFailed(errorMessage(error));
    } finally {
      clearTimeout(slow);
      this.#begun = begun;
      this.#ended = performance.now();
    }
  }

  /** Before a message meets it. */
  #logInvalidRow({ row, request }: Endpoint): void {
    const { log, subjects } = this.#options;
    if (request.kind !== 'request' && request.kind !== 'disabled')
      log.warn({ endpoint: row.name, error: request.detail, hint: HINT.invalid }, 'endpoint.invalid');
    else if (!isTaken(row.natsSubject, subjects))
      log.warn(
        { endpoint: row.name, natsSubject: row.natsSubject, subjects, hint: HINT.unreachable },
        'endpoint.unreachable_subject',
      );
  }

  #onReadFailed(error: string): void {
    const { log } = this.#options;
    const wasInTrouble = this.#problem !== null;
    this.#problem = `rule_webhooks: ${error}`;
    if (wasInTrouble) return;
    const hint = this.#known === null ? HINT.neverRead : HINT.lastKnown;
    log.warn({ error, hint }, 'registry.read_failed');
    this.#changed.call();
  }
}

/** Of a pattern it is not said: what it takes may be anywhere. */
function isTaken(natsSubject: string | null, subjects: readonly string[]): boolean {
  if (natsSubject === null || /[*>]/.test(natsSubject)) return true;
  return subjects.some((pattern) => matches(pattern, natsSubject));
}
