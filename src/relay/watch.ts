import type pg from 'pg';
import type { Feature } from '../core/records/worker-instance.ts';
import type { Holds } from '../outbox/holds.ts';
import type { RelayReport } from '../outbox/relay-report.ts';
import { inTransaction } from '../postgres/connection/transaction.ts';
import { readLiveWorkers } from '../postgres/tables/endpoints-table.ts';
import { type Backlog, deleteExpiredHistory, readBacklog } from '../postgres/tables/outbox-table.ts';
import { every } from '../runtime/every.ts';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';

/** How often the live workers are read, in milliseconds. Above 10 s, they would count as unknown in between. */
const WORKERS_EVERY_MS = 1000;
const BACKLOG_EVERY_MS = 5000;
const EXPIRY_EVERY_MS = 60_000;
/** The most rows that one transaction deletes. */
const DELETE_BATCH = 5000;

const FEATURES: readonly Feature[] = ['bare-payload', 'message-parameters', 'ordering-name'];

export type WatchOptions = {
  readonly pool: pg.Pool;
  /** STREAM_NAME. */
  readonly streamName: string;
  readonly holds: Holds;
  readonly report: RelayReport;
  readonly log: Logger;
};

export interface OutboxWatch extends Service {
  /** As of the last read; null: not known. */
  readonly backlog: Backlog | null;
}

/** Follows the live workers and the backlog, and deletes what is expired. */
export function watchOutbox({ pool, streamName, holds, report, log }: WatchOptions): OutboxWatch {
  let backlog: Backlog | null = null;
  let stops: (() => void)[] = [];

  async function followWorkers(): Promise<void> {
    try {
      holds.onWorkersRead(await readLiveWorkers(pool, streamName));
    } catch {
      // The loops tell of it. After a while, the workers count as unknown.
    }
    sayHolds();
  }

  function sayHolds(): void {
    const waits = (backlog?.waiting ?? 0) > 0;
    const held = FEATURES.map((feature) => holds.heldFor(feature)).find((each) => each !== null);
    if (waits && held) report.trouble('watch', 'workers', held.detail);
    else report.over('watch', 'workers');
    const name = holds.nameTrouble();
    if (name === null) report.over('watch', 'rows');
    else report.trouble('watch', 'rows', name);
  }

  async function followBacklog(): Promise<void> {
    backlog = await readBacklog(pool).catch(() => null);
  }

  async function expire(): Promise<void> {
    try {
      let deleted = DELETE_BATCH;
      while (deleted === DELETE_BATCH)
        deleted = await inTransaction(pool, (client) => deleteExpiredHistory(client, DELETE_BATCH));
    } catch (error) {
      log.warn({ code: errorCode(error), error: errorMessage(error), hint: KEPT }, 'outbox.expiry_failed');
    }
  }

  return {
    name: 'watch',
    get backlog() {
      return backlog;
    },
    async start() {
      await Promise.all([followWorkers(), followBacklog()]);
      stops = [
        every(WORKERS_EVERY_MS, followWorkers, { unref: true }),
        every(BACKLOG_EVERY_MS, followBacklog, { unref: true }),
        every(EXPIRY_EVERY_MS, expire, { unref: true }),
      ];
    },
    stop() {
      for (const stop of stops) stop();
    },
  };
}

const KEPT = 'Expired rows of rule_nats_publish_history stay. The relay tries again in a minute.';
