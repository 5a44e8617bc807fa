import type pg from 'pg';
import type { Feature } from '../core/records/worker-instance.ts';
import type { Holds } from '../outbox/holds.ts';
import type { RelayReport } from '../outbox/relay-report.ts';
import { readWithin } from '../postgres/connection/read-within.ts';
import { inTransaction } from '../postgres/connection/transaction.ts';
import { countCalls, sweepCalls } from '../postgres/tables/calls-table.ts';
import { readLiveWorkers } from '../postgres/tables/endpoints-table.ts';
import { type Backlog, readBacklog } from '../postgres/tables/outbox-backlog-view.ts';
import { deleteExpiredHistory } from '../postgres/tables/outbox-table.ts';
import { every } from '../runtime/every.ts';
import { errorCode, errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Service } from '../runtime/service.ts';

/** How often the live workers are read, in milliseconds. Above 10 s, they would count as unknown in between. */
const WORKERS_EVERY_MS = 1000;
/** How often the backlog is counted, in milliseconds; rarer where counting takes long, because it passes dead rows, too. */
const BACKLOG_EVERY_MS = 5000;
const BACKLOG_SHARE = 0.05;
/** How long PostgreSQL may count, in milliseconds. The live workers may need the same connection. */
const BACKLOG_WITHIN_MS = 5000;
/** How often the relay looks for results of calls that no worker wrote, and for calls that were published how long ago. */
const SWEEP_EVERY_MS = 15_000;
const UNKNOWN_FOR_MS = 60_000;
const SWEEP_BATCH = 500;
const EXPIRY_EVERY_MS = 60_000;
/** The most rows that one transaction deletes. */
const DELETE_BATCH = 5000;

const FEATURES: readonly Feature[] = [
  'directed-message',
  'bare-payload',
  'message-parameters',
  'ordering-name',
];

export type WatchOptions = {
  readonly pool: pg.Pool;
  /** STREAM_NAME. */
  readonly streamName: string;
  /** CALL_PUBLISH_MODES. */
  readonly callModes: readonly string[];
  readonly holds: Holds;
  readonly report: RelayReport;
  readonly log: Logger;
};

export interface OutboxWatch extends Service {
  /** As of the last read; null: not known. */
  readonly backlog: Backlog | null;
}

/** Follows the live workers and the backlog, and deletes what is expired. */
export function watchOutbox({ pool, streamName, callModes, holds, report, log }: WatchOptions): OutboxWatch {
  let backlog: Backlog | null = null;
  let nextBacklogAt = 0;
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
    const startedAt = performance.now();
    if (startedAt < nextBacklogAt) return;
    // The last backlog stays: rows that cannot be counted wait.
    const read = await readWithin(pool, BACKLOG_WITHIN_MS, readBacklog).catch(() => null);
    if (read !== 'tooSlow') backlog = read;
    const now = performance.now();
    nextBacklogAt = now + (now - startedAt) / BACKLOG_SHARE - BACKLOG_EVERY_MS;
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

  async function sweep(): Promise<void> {
    try {
      const finished = await inTransaction(pool, (client) => sweepCalls(client, UNKNOWN_FOR_MS, SWEEP_BATCH));
      if (finished > 0) log.info({ calls: finished }, 'calls.swept');
    } catch (error) {
      log.warn({ code: errorCode(error), error: errorMessage(error), hint: UNSWEPT }, 'calls.sweep_failed');
    }
  }

  return {
    name: 'watch',
    get backlog() {
      return backlog;
    },
    async start() {
      await Promise.all([followWorkers(), followBacklog()]);
      if (callModes.length > 0) await sayCalls(pool, callModes, log);
      stops = [
        ...(callModes.length > 0 ? [every(SWEEP_EVERY_MS, sweep, { unref: true })] : []),
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

const UNSWEPT = 'Calls whose worker died stay in status processing. The relay tries again in 15 s.';
const NOT_PUBLISHED =
  'The relay does not publish these calls, because the extension may publish the same webhooks to NATS itself. CALL_PUBLISH_MODES=queue,nats,both publishes them.';

/** Says once how many calls wait, and how many of them the relay leaves alone. */
async function sayCalls(pool: pg.Pool, modes: readonly string[], log: Logger): Promise<void> {
  const waiting = await countCalls(pool).catch(() => ({}));
  const left = Object.entries(waiting).filter(([mode]) => !modes.includes(mode));
  if (left.length > 0) log.warn({ ...waiting, hint: NOT_PUBLISHED }, 'calls.left');
  else if (Object.keys(waiting).length > 0) log.info({ ...waiting }, 'calls.waiting');
}

const KEPT = 'Expired rows of rule_nats_publish_history stay. The relay tries again in a minute.';
