import type pg from 'pg';
import { maxAgeMs, retryPolicy } from '../config/retry-policy.ts';
import type { Settings } from '../config/settings.ts';
import { logHealth } from '../delivery/health.ts';
import { autoDisable } from '../delivery/registry/auto-disable.ts';
import { logEarlyEnds } from '../delivery/registry/early-ends-log.ts';
import { statisticsLine } from '../delivery/statistics/attempt-log.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { systemClock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';
import type { Logger } from '../runtime/logger.ts';
import { type Service, serviceOf } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import type { AssembledWorker } from './assemble/worker.ts';
import type { Topology } from './topology/topology.ts';

/** How often the statistics are logged while they change, in milliseconds. */
const STATISTICS_LINE_EVERY_MS = 60_000;

/**
 * How long a stop waits for the last flush, and for connections to close, in milliseconds. Then it goes on.
 */
const FLUSH_MS = 5000;

const UNKNOWN_TO_PEERS =
  'The worker delivers. Until PostgreSQL takes its row, the other workers of the group do not know of it: they count on no feature and no setting of it, and share the limits of the group without it.';

export interface StatisticsService extends Service {
  /** True if the last flush ended in time. */
  readonly isFlushed: boolean;
}

/**
 * Flushes once before the deliveries start. So the other workers know the version, the features and the settings of this worker
 * before its first pull, and share the limits of the group with it.
 */
export function statisticsOf({ statistics }: AssembledWorker, log: Logger): StatisticsService {
  let isFlushed = false;
  return {
    name: 'statistics',
    get isFlushed() {
      return isFlushed;
    },
    async start() {
      await statistics.start();
      let isStored = false;
      const storing = statistics.flush().then((stored) => {
        isStored = stored;
      });
      await withTimeout(FLUSH_MS, storing);
      if (!isStored) log.warn({ hint: UNKNOWN_TO_PEERS }, 'instance.write_failed');
    },
    async stop() {
      isFlushed = await withTimeout(FLUSH_MS, statistics.stop());
    },
  };
}

/** A service whose stop may wait for PostgreSQL. Above FLUSH_MS, the worker stops without it. */
export function boundedStop(service: Service): Service {
  return {
    name: service.name,
    start: () => service.start(),
    async stop() {
      await withTimeout(FLUSH_MS, Promise.resolve(service.stop()));
    },
  };
}

/** The connections, which are open already. If the last flush hangs, the pool is not closed: closing would wait for the flush. */
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

/**
 * Rows and limits of endpoints. They are read before the deliveries start, so that a paused endpoint stays paused over a
 * restart.
 */
export function endpointsOf({ registry, limits, holds }: AssembledWorker): Service {
  return {
    name: 'endpoints',
    async start() {
      await Promise.all([registry.start(), limits.start()]);
    },
    async stop() {
      limits.stop();
      holds.stop();
      await withTimeout(FLUSH_MS, registry.stop());
    },
  };
}

/** Periodic checks and reports. */
export function watchersOf(
  worker: AssembledWorker,
  topology: Topology,
  settings: Settings,
  log: Logger,
): Service[] {
  const { reporter, statistics, consumer, hasProblem, health, admission, registry } = worker;
  const { DISABLE_AFTER_HOURS: disableAfterHours } = settings;
  return [
    reporter,
    serviceOf('statistics log', () => logStatistics(statistics, log)),
    serviceOf('topology repair', () => topology.startRepair(hasProblem, consumer.retry)),
    serviceOf('health log', () => logHealth(health, log, systemClock)),
    serviceOf('configuration watch', () => worker.configuration.watch()),
    serviceOf('stream row', () => topology.watchRow()),
    serviceOf('early ends', () => {
      logEarlyEnds(registry, retryPolicy(settings), maxAgeMs(settings), log);
      return () => {};
    }),
    serviceOf('auto-disable', () =>
      autoDisable({ admission, registry, disableAfterHours, log, now: Date.now }),
    ),
  ];
}

function logStatistics(statistics: AssembledWorker['statistics'], log: Logger): () => void {
  const startedAt = performance.now();
  let logged = 0;
  return every(STATISTICS_LINE_EVERY_MS, () => {
    const { total } = statistics;
    if (total.settled === logged) return;
    logged = total.settled;
    log.info(statisticsLine(total, performance.now() - startedAt), 'worker.statistics');
  });
}
