import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import { logHealth } from '../delivery/health.ts';
import { autoDisable } from '../delivery/registry/auto-disable.ts';
import { statisticsLine } from '../delivery/statistics/attempt-log.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import type { Logger } from '../runtime/logger.ts';
import { type Service, serviceOf } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import type { AssembledWorker } from './assemble/worker.ts';
import type { Topology } from './topology/topology.ts';

/** How often the statistics are logged while something happens, in milliseconds. */
const STATISTICS_LINE_EVERY_MS = 60_000;

/** How long the last statistics, and the closing of connections, may take, in milliseconds (DESIGN.md part 10). */
const FLUSH_MS = 5000;

export interface StatisticsService extends Service {
  /** Whether the last flush was done in time. */
  readonly isFlushed: boolean;
}

/** Flushes once before the deliveries begin: other workers then know that this one shares what the group may do. */
export function statisticsOf({ statistics }: AssembledWorker): StatisticsService {
  let isFlushed = false;
  return {
    name: 'statistics',
    get isFlushed() {
      return isFlushed;
    },
    async start() {
      await statistics.start();
      await withTimeout(FLUSH_MS, statistics.flush());
    },
    async stop() {
      isFlushed = await withTimeout(FLUSH_MS, statistics.stop());
    },
  };
}

/** The connections, which are open already. A pool whose last flush hangs is left alone: closing it would wait for the flush. */
export function connectionsOf(
  { sender }: AssembledWorker,
  client: NatsClient,
  pool: pg.Pool,
  statistics: StatisticsService,
): Service {
  return {
    name: 'connections',
    start() {},
    async stop() {
      const closing = [client.close(), sender.close(), statistics.isFlushed ? pool.end() : null];
      await withTimeout(FLUSH_MS, Promise.all(closing));
    },
  };
}

/** What is known of endpoints: read before the deliveries begin, so that what is paused stays paused over a restart. */
export function endpointsOf({ registry, limits }: AssembledWorker): Service {
  return {
    name: 'endpoints',
    async start() {
      await Promise.all([registry.start(), limits.start()]);
    },
    async stop() {
      limits.stop();
      await withTimeout(FLUSH_MS, registry.stop());
    },
  };
}

/** What looks after the deliveries, now and then. */
export function watchersOf(
  worker: AssembledWorker,
  topology: Topology,
  settings: Settings,
  log: Logger,
): Service[] {
  const { reporter, statistics, consumer, isInTrouble, health, admission, registry } = worker;
  const { DISABLE_AFTER_HOURS: disableAfterHours } = settings;
  return [
    reporter,
    serviceOf('statistics log', () => logStatistics(statistics, log)),
    serviceOf('topology repair', () => topology.startRepair(isInTrouble, consumer.retry)),
    serviceOf('health log', () => logHealth(health, log)),
    serviceOf('stream row', () => topology.watchRow()),
    serviceOf('auto-disable', () =>
      autoDisable({ admission, registry, disableAfterHours, log, now: Date.now }),
    ),
  ];
}

function logStatistics(statistics: AssembledWorker['statistics'], log: Logger): () => void {
  const startedAt = performance.now();
  let logged = 0;
  const timer = setInterval(() => {
    const { total } = statistics;
    if (total.delivered === logged) return;
    logged = total.delivered;
    log.info(statisticsLine(total, performance.now() - startedAt), 'worker.statistics');
  }, STATISTICS_LINE_EVERY_MS);
  return () => clearInterval(timer);
}
