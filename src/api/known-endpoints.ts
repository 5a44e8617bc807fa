import type pg from 'pg';
import { retryPolicy } from '../config/retry-policy.ts';
import type { Settings } from '../config/settings.ts';
import { WebhookRegistry } from '../delivery/registry/webhook-registry.ts';
import { systemClock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { webhookRows } from '../worker/assemble/webhook-rows.ts';

/** The rows of `rule_webhooks`, for what requests name. */
export class KnownEndpoints {
  readonly name = 'endpoints';
  readonly #registry: WebhookRegistry;
  readonly #subjectPrefix: string;

  constructor(settings: Settings, pool: pg.Pool, subjectPrefix: string, log: Logger) {
    this.#subjectPrefix = subjectPrefix;
    this.#registry = new WebhookRegistry({
      policy: { retries: retryPolicy(settings), disabled: settings.DISABLED_ENDPOINT },
      rows: webhookRows(pool, settings.DATABASE_URL, log),
      subjects: [...settings.SUBJECT, ...settings.ORDERED_SUBJECT],
      clock: systemClock,
      // Workers log what is wrong with rows. /health says whether the rows can be read.
      log: log.child({}, { level: 'silent' }),
    });
  }

  /** Why the rows cannot be read now; null: they can. */
  get problem(): string | null {
    return this.#registry.problem ?? (this.#registry.known === null ? 'rule_webhooks: not read yet' : null);
  }

  start(): Promise<void> {
    return this.#registry.start();
  }

  stop(): Promise<void> {
    return this.#registry.stop();
  }

  /** True if a row takes webhooks of this name. Null: the rows cannot be read. A row may have been added a moment ago. */
  isKnown(name: string): boolean | null | Promise<boolean | null> {
    if (this.#has(name)) return true;
    if (this.problem !== null) return null;
    return this.#registry.refreshed().then(() => this.#has(name) || (this.problem === null ? false : null));
  }

  /** The name of a row. Undefined: there is no such row. Null: the rows cannot be read. */
  async nameOf(id: number): Promise<string | null | undefined> {
    const found = this.#registry.known?.byId(id);
    if (found !== undefined) return found.row.name;
    if (this.problem !== null) return null;
    await this.#registry.refreshed();
    return this.#registry.known?.byId(id)?.row.name ?? (this.problem === null ? undefined : null);
  }

  #has(name: string): boolean {
    const { known } = this.#registry;
    return known !== null && known.find(`${this.#subjectPrefix}.${name}`).length > 0;
  }
}
