import type pg from 'pg';
import type { Settings } from '../../config/settings.ts';
import { createAccess, hostCheck } from '../../ingest/access.ts';
import { ApiKeys } from '../../ingest/api-keys.ts';
import { sourceFiles } from '../../ingest/source-files.ts';
import { Sources } from '../../ingest/sources.ts';
import { followNotifications } from '../../postgres/connection/notifications.ts';
import { noteKeysUsed, readApiKeys } from '../../postgres/tables/api-keys-table.ts';
import { readSources } from '../../postgres/tables/sources-table.ts';
import { systemClock } from '../../runtime/clock.ts';
import { Listeners } from '../../runtime/listeners.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';

export type AccessParts = {
  readonly settings: Pick<
    Settings,
    'API_AUTH' | 'API_KEYS' | 'ALLOWED_HOSTS' | 'PUBLIC_URL' | 'DATABASE_URL' | 'SOURCES_DIR'
  >;
  readonly pool: pg.Pool;
  readonly log: Logger;
};

/** The triggers of sql/migrations/0030 and 0031 notify this channel; the payload names the table. */
const CHANNEL = 'nats_webhook_worker_access';
const UNHEARD =
  'PostgreSQL notifies the API of no changed keys and sources now. The API compares them twice a second, and listens again by itself.';

/** Wires what the API follows in PostgreSQL. @returns Services in the order in which they start. */
export function assembleAccess({ settings, pool, log }: AccessParts) {
  const notifications = new AccessNotifications(settings.DATABASE_URL, log);
  const keys = new ApiKeys({
    configured: settings.API_KEYS,
    store: {
      read: (known) => readApiKeys(pool, known),
      listen: (changed) => notifications.on(changed),
      noteUsed: (usedAt) => noteKeysUsed(pool, usedAt),
    },
    clock: systemClock,
    log,
  });
  const sources = new Sources({
    rows: {
      read: (known) => readSources(pool, known),
      listen: (changed) => notifications.on(changed),
    },
    files: settings.SOURCES_DIR === undefined ? null : sourceFiles(settings.SOURCES_DIR),
    clock: systemClock,
    log,
  });
  const isOpen = settings.API_AUTH === 'open';
  const publicUrl = settings.PUBLIC_URL === undefined ? null : new URL(settings.PUBLIC_URL);
  const check = createAccess({
    keys: isOpen ? null : keys,
    origins: publicUrl === null ? [] : [publicUrl.origin],
    now: Date.now,
  });
  const hostProblem = hostCheck([
    ...settings.ALLOWED_HOSTS,
    ...(publicUrl === null ? [] : [publicUrl.hostname]),
  ]);
  const services: Service[] = [notifications, ...(isOpen ? [] : [keys]), sources];
  return { keys, sources, check, hostProblem, problem: () => (isOpen ? null : keys.problem), services };
}

/** One connection that listens for all tables of this kind. */
class AccessNotifications implements Service {
  readonly name = 'notifications of changed keys and sources';
  readonly #url: string;
  readonly #log: Logger;
  readonly #changed = new Listeners();
  #listening: { stop(): void } | null = null;

  constructor(url: string, log: Logger) {
    this.#url = url;
    this.#log = log;
  }

  on(changed: () => void): { stop(): void } {
    return { stop: this.#changed.add(changed) };
  }

  start(): void {
    this.#listening = followNotifications({
      url: this.#url,
      channels: [CHANNEL],
      log: this.#log,
      hint: UNHEARD,
      // A comparison of a table that has not changed reads no rows.
      onNotified: () => this.#changed.call(),
      onListening: () => this.#changed.call(),
    });
  }

  stop(): void {
    this.#listening?.stop();
  }
}
