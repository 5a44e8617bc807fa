import type pg from 'pg';
import { afterFailure } from '../core/outbox/pace.ts';
import { classifyConnectError, describeConnectError } from '../postgres/connection/connect-problem.ts';
import { migrate } from '../postgres/migrate.ts';
import { readInstallationId } from '../postgres/tables/outbox-table.ts';
import { UserError } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { type Service, ServiceGroup } from '../runtime/service.ts';

const WAITS = ' The relay waits until PostgreSQL answers.';

export type OutboxDatabaseOptions = { readonly pool: pg.Pool; readonly url: string; readonly log: Logger };

/** Creates the tables of a database, and reads its id. While PostgreSQL is away at the start, it tries again in the background. */
export class OutboxDatabase implements Service {
  readonly name = 'database';
  readonly #options: OutboxDatabaseOptions;
  #installationId: string | null = null;
  #trouble: string | null = null;
  #isStopped = false;
  #retry: NodeJS.Timeout | undefined;
  #onReady: () => Promise<void> | void = () => {};

  constructor(options: OutboxDatabaseOptions) {
    this.#options = options;
  }

  get isReady(): boolean {
    return this.#installationId !== null;
  }

  /** To be read only once it is ready. */
  get installationId(): string {
    if (this.#installationId === null) throw new Error('the database is not prepared');
    return this.#installationId;
  }

  troubles(): Readonly<Record<string, string>> {
    return this.#trouble === null ? {} : { postgres: this.#trouble };
  }

  /** @throws {UserError} if a wait cannot cure the problem. */
  async start(): Promise<void> {
    await this.#prepare(1);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
  }

  /** Services that start when the database is ready, at once or later. */
  whenReady(services: () => readonly Service[]): Service {
    let group: ServiceGroup | null = null;
    const begin = async () => {
      group = new ServiceGroup('outbox', services());
      await group.start();
    };
    return {
      name: 'outbox',
      start: async () => {
        if (this.isReady) await begin();
        else this.#onReady = begin;
      },
      stop: () => group?.stop(),
    };
  }

  async #prepare(tries: number): Promise<void> {
    const { pool, url, log } = this.#options;
    try {
      await migrate(pool, { log });
      this.#installationId = await readInstallationId(pool);
      this.#trouble = null;
    } catch (error) {
      if (error instanceof UserError && tries === 1) throw error;
      const description = error instanceof UserError ? error.message : describeConnectError(error, url);
      if (tries === 1 && classifyConnectError(error) === 'rejected')
        throw new UserError(description, { cause: error });
      if (this.#trouble !== description)
        log.warn({ hint: description + WAITS }, 'relay.postgres_unreachable');
      this.#trouble = description;
      this.#retry = setTimeout(() => void this.#prepareLater(tries + 1), afterFailure(tries, Math.random()));
    }
  }

  async #prepareLater(tries: number): Promise<void> {
    if (this.#isStopped) return;
    await this.#prepare(tries);
    if (this.isReady && !this.#isStopped) await this.#onReady();
  }
}
