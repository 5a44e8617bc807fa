import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import { subjectPrefixOf } from '../config/subject-prefix.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { createMessagePublisher } from '../nats/publishing/message-publisher.ts';
import { AheadQueue } from '../outbox/ahead-queue.ts';
import { CallsQueue } from '../outbox/calls-queue.ts';
import { Holds } from '../outbox/holds.ts';
import { Idle } from '../outbox/idle.ts';
import { OrderedQueue } from '../outbox/ordered-queue.ts';
import type { WorkQueue } from '../outbox/ports.ts';
import { PublishLoop } from '../outbox/publish-loop.ts';
import { type PublishOptions, publishAtOnce, publishInOrder } from '../outbox/publish-rows.ts';
import { type RelayCounters, RelayReport } from '../outbox/relay-report.ts';
import { UnorderedQueue } from '../outbox/unordered-queue.ts';
import { createCallsStore } from '../postgres/calls-store.ts';
import { OutboxAlarm } from '../postgres/connection/outbox-alarm.ts';
import { createPool } from '../postgres/connection/pool.ts';
import { createOutboxStore } from '../postgres/outbox-store.ts';
import type { Backlog } from '../postgres/tables/outbox-backlog-view.ts';
import { systemClock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';
import type { Logger } from '../runtime/logger.ts';
import { independent, type Service, ServiceGroup, serviceOf } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { OutboxDatabase } from './outbox-database.ts';
import { watchOutbox } from './watch.ts';

/** How long a batch waits until NATS has confirmed its messages, in milliseconds. Its rows are locked meanwhile. */
const CONFIRM_MS = 5000;
/** How long an ordered batch begins further messages of its keys, in milliseconds. */
const ORDERED_SLICE_MS = 250;
/** One for each loop, one more for the batch that is ahead, and one for everything else. */
const CONNECTIONS = 5;
/** How long a stop waits for the batches in progress, in milliseconds. Then PostgreSQL frees their rows, which are published again. */
const STOP_MS = CONFIRM_MS + 2000;
const STATISTICS_LINE_EVERY_MS = 60_000;

export type RelayHealth = {
  readonly status: 'ok' | 'degraded' | 'starting';
  /** What is wrong, by part. */
  readonly troubles: Readonly<Record<string, string>>;
  /** Null: not known yet. */
  readonly outbox: Backlog | null;
  readonly since: RelayCounters;
};

export interface Relay extends Service {
  health(): RelayHealth;
  readonly counters: RelayCounters;
}

export type RelayParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
};

/**
 * A relay for the database of DATABASE_URL, on a connection to NATS that is open. Its start creates missing tables. If PostgreSQL is
 * away, it waits for it in the background.
 *
 * @throws {UserError} if no subject of SUBJECT has a place for a name.
 */
export function createRelay({ settings, log, client }: RelayParts): Relay {
  const subjectPrefix = subjectPrefixOf(settings.SUBJECT);
  const pool = createPool({ url: settings.DATABASE_URL, size: CONNECTIONS, log });
  const report = new RelayReport(log);
  const holds = new Holds(systemClock);
  const alarm = new OutboxAlarm({ url: settings.DATABASE_URL, log });
  const idle = new Idle({
    loops: settings.CALL_PUBLISH_MODES.length > 0 ? 3 : 2,
    alarm,
    clock: systemClock,
    pace: { pollMs: settings.OUTBOX_POLL_MS, isPollSet: settings.isSet('OUTBOX_POLL_MS') },
  });
  const database = new OutboxDatabase({ pool, url: settings.DATABASE_URL, log });
  const watch = watchOutbox({
    pool,
    streamName: settings.STREAM_NAME,
    callModes: settings.CALL_PUBLISH_MODES,
    holds,
    report,
    log,
  });
  const loops = () => loopsOf({ settings, subjectPrefix, client, pool, database, holds, idle, report });

  const services = new ServiceGroup('relay', [
    { name: 'pool', start() {}, stop: () => withTimeout(STOP_MS, pool.end()).then(() => {}) },
    database,
    database.whenReady(() => [
      watch,
      { name: 'alarm', start: () => alarm.start(), stop: () => alarm.stop() },
      stoppingIdle(idle, independent('loops', loops())),
      serviceOf('statistics log', () => logStatistics(report, log)),
    ]),
  ]);
  return {
    name: 'relay',
    start: () => services.start(),
    stop: () => services.stop(),
    get counters() {
      return report.counters;
    },
    health() {
      const troubles = { ...database.troubles(), ...report.troubles() };
      const isTroubled = Object.keys(troubles).length > 0;
      const status = isTroubled ? 'degraded' : database.isReady ? 'ok' : 'starting';
      return { status, troubles, outbox: watch.backlog, since: report.counters };
    },
  };
}

type LoopParts = Pick<RelayParts, 'settings' | 'client'> & {
  readonly subjectPrefix: string;
  readonly pool: pg.Pool;
  readonly database: OutboxDatabase;
  readonly holds: Holds;
  readonly idle: Idle;
  readonly report: RelayReport;
};

function loopsOf({
  settings,
  subjectPrefix,
  client,
  pool,
  database,
  holds,
  idle,
  report,
}: LoopParts): PublishLoop[] {
  const publisher = createMessagePublisher(client, CONFIRM_MS);
  const { installationId } = database;
  const options: PublishOptions = { publisher, clock: systemClock, installationId, subjectPrefix };
  const store = createOutboxStore({
    pool,
    history: settings.OUTBOX_HISTORY,
    onUnconfirmed: (messages) => report.countUnconfirmed(messages),
  });
  const queues: WorkQueue[] = [
    new AheadQueue(new UnorderedQueue(store, publishAtOnce(options), holds)),
    new OrderedQueue(store, publishInOrder(options, ORDERED_SLICE_MS), holds),
  ];
  if (settings.CALL_PUBLISH_MODES.length > 0)
    queues.push(
      new CallsQueue({
        store: createCallsStore({ pool, history: settings.OUTBOX_HISTORY }),
        publisher,
        holds,
        clock: systemClock,
        installationId,
        subjectPrefix,
        modes: settings.CALL_PUBLISH_MODES,
      }),
    );
  return queues.map(
    (queue) => new PublishLoop({ queue, publisher, idle, report, clock: systemClock, random: Math.random }),
  );
}

/** The loops end when their waits end, and after the batch that they are in. */
function stoppingIdle(idle: Idle, loops: Service): Service {
  return {
    name: 'loops',
    start: () => loops.start(),
    async stop() {
      const stopped = Promise.resolve(loops.stop());
      idle.stop();
      await withTimeout(STOP_MS, stopped);
    },
  };
}

function logStatistics(report: RelayReport, log: Logger): () => void {
  let logged = JSON.stringify(report.counters);
  return every(STATISTICS_LINE_EVERY_MS, () => {
    const now = JSON.stringify(report.counters);
    if (now === logged) return;
    logged = now;
    log.info({ ...report.counters }, 'relay.statistics');
  });
}
