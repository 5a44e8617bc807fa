import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import { logHealth } from '../delivery/health.ts';
import { autoDisable } from '../delivery/registry/auto-disable.ts';
import { statisticsLine } from '../delivery/statistics/attempt-log.ts';
import { HttpServer } from '../http/server.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Logger } from '../runtime/logger.ts';
import { json, type Route } from '../runtime/route.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { type AssembledWorker, assembleWorker } from './assemble/worker.ts';
import { connectServers } from './connections/servers.ts';
import { stopDelivering } from './stop-worker.ts';
import { OrderedTopology } from './topology/ordered-topology.ts';
import { Topology } from './topology/topology.ts';

/** How often the statistics line is printed while something happens, in milliseconds. */
const STATISTICS_LINE_EVERY_MS = 60_000;

/** How long the last statistics, and the closing of connections, may take, in milliseconds. */
const FLUSH_MS = 5000;

export type RunningWorker = {
  /** The port of /health, or null where none is open. */
  readonly httpPort: number | null;
  /** Resolves when NATS is lost for good, which reconnecting cannot cure. */
  readonly broken: Promise<Error>;
  /** Drains, aborts, flushes, and says on one line what became of it. */
  stop(): Promise<void>;
};

type WorkerExtras = {
  /** Beside /health. */
  readonly routes?: (pool: pg.Pool, worker: AssembledWorker) => readonly Route[];
  readonly alsoAllowedCidrs?: readonly string[];
  /** The address that HTTP_PORT is opened on. @default all of this machine's */
  readonly httpHost?: string;
};

/**
 * Connects, makes what is missing, and delivers until it is stopped.
 *
 * @param signal Ends the waiting for a NATS that is away.
 * @throws {UserError} for what the user can cure; the signal's reason when it is aborted.
 */
export async function runWorker(
  settings: Settings,
  log: Logger,
  signal: AbortSignal,
  extras: WorkerExtras = {},
): Promise<RunningWorker> {
  const { database, client } = await connectServers(settings, log, signal);
  const { pool } = database;
  const topology = new Topology(client, settings, database, log);
  await topology.ensure().catch(async (error) => {
    await Promise.all([pool.end(), client.close()]);
    throw error;
  });
  const orderedTopology = new OrderedTopology(client, settings, topology, log);
  const isOrdered = await orderedTopology.start();
  const { alsoAllowedCidrs = [], httpHost, routes = () => [] } = extras;
  const worker = assembleWorker({
    settings,
    log,
    client,
    topology,
    orderedTopology,
    database,
    alsoAllowedCidrs,
  });
  const http = await serveHealth(settings, log, [healthRoute(worker), ...routes(pool, worker)], httpHost);
  const startedAt = performance.now();
  await worker.statistics.start();
  // Peers count us among those who share what the group may do.
  await withTimeout(FLUSH_MS, worker.statistics.flush());
  await Promise.all([worker.registry.start(), worker.limits.start()]);
  worker.consumer.start();
  await worker.scheduledQueues.start();
  await worker.parkedQueues.start();
  if (isOrdered) await worker.ordered.keys.start();
  await worker.reporter.start();
  const stopSaying = logStatistics(worker, log, startedAt);
  const stopMending = topology.startRepair(worker.inTrouble, worker.consumer.retry);
  const stopTelling = logHealth(worker.health, log);
  const stopFollowing = topology.watchRow();
  const stopWatching = autoDisable({
    admission: worker.admission,
    registry: worker.registry,
    disableAfterHours: settings.DISABLE_AFTER_HOURS,
    log,
    now: Date.now,
  });
  log.info(
    {
      worker: settings.CONSUMER_NAME,
      group: settings.QUEUE_GROUP,
      stream: settings.STREAM_NAME,
      subjects: settings.SUBJECT,
      slots: settings.CONCURRENCY,
    },
    'worker.started',
  );

  async function stop(): Promise<void> {
    stopSaying();
    stopMending();
    stopTelling();
    stopFollowing();
    stopWatching();
    worker.limits.stop();
    await worker.reporter.stop();
    const drained = await stopDelivering(worker, settings.SHUTDOWN_DRAIN_MS);
    await withTimeout(FLUSH_MS, worker.registry.stop());
    const flushed = await withTimeout(FLUSH_MS, worker.statistics.stop());
    await withTimeout(
      FLUSH_MS,
      Promise.all([client.close(), worker.sender.close(), http?.stop(), flushed && pool.end()]),
    );
    const unflushedRows = worker.statistics.rows;
    log.info(
      {
        ...statisticsLine(worker.statistics.total, performance.now() - startedAt),
        ...drained,
        unflushedRows,
      },
      'worker.stopped',
    );
  }

  const broken = client.closed.then((error) => error ?? new Error('the connection to NATS is closed'));
  return { httpPort: http?.port ?? null, broken, stop };
}

function healthRoute(worker: AssembledWorker): Route {
  return {
    method: 'GET',
    path: '/health',
    async handle() {
      const health = worker.health();
      const serves = health.status === 'ok' || health.status === 'degraded';
      return json(serves ? 200 : 503, {
        ...health,
        slots: { busy: worker.slots.busy(), free: worker.slots.free(), waiting: worker.admission.waiting },
        setAside: worker.deferred.count,
        ordered: { pending: worker.ordered.keys.pending, waiting: worker.ordered.messages.waiting },
      });
    },
  };
}

/** Deliveries matter more than a port: one that is taken is said, and goes without. */
async function serveHealth(
  settings: Settings,
  log: Logger,
  routes: readonly Route[],
  host?: string,
): Promise<HttpServer | null> {
  if (settings.HTTP_PORT === 0) return null;
  const server = new HttpServer(
    { port: settings.HTTP_PORT, log, ...(host !== undefined && { host }) },
    routes,
  );
  try {
    await server.start();
    return server;
  } catch (error) {
    const hint = 'The worker delivers, but does not serve /health.';
    log.error({ port: settings.HTTP_PORT, error: errorMessage(error), hint }, 'http.listen_failed');
    return null;
  }
}

function logStatistics(worker: AssembledWorker, log: Logger, startedAt: number): () => void {
  let said = 0;
  const timer = setInterval(() => {
    const { total } = worker.statistics;
    if (total.delivered === said) return;
    said = total.delivered;
    log.info(statisticsLine(total, performance.now() - startedAt), 'worker.statistics');
  }, STATISTICS_LINE_EVERY_MS);
  return () => clearInterval(timer);
}
