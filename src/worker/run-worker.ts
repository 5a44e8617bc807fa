import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import { statisticsLine } from '../delivery/statistics/attempt-log.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Route } from '../runtime/route.ts';
import { ServiceGroup } from '../runtime/service.ts';
import { type AssembledWorker, assembleWorker } from './assemble/worker.ts';
import { connectServers } from './connections/servers.ts';
import { createHealthServer } from './health-server.ts';
import { Deliveries } from './stop-worker.ts';
import { ConfigurationWatch } from './topology/configuration-watch.ts';
import { OrderedTopology } from './topology/ordered-topology.ts';
import { Topology } from './topology/topology.ts';
import { boundedStop, connectionsOf, endpointsOf, statisticsOf, watchersOf } from './worker-services.ts';

export type RunningWorker = {
  /** The port of /health, or null if none is open. */
  readonly httpPort: number | null;
  /** Resolves when the connection to NATS is closed for good, and a reconnect cannot cure that. */
  readonly broken: Promise<Error>;
  /** Drains, aborts, flushes, and logs in one line what was done with the attempts in flight. */
  stop(): Promise<void>;
};

export type WorkerExtras = {
  /** Routes besides /health. */
  readonly routes?: (pool: pg.Pool, worker: AssembledWorker) => readonly Route[];
  readonly alsoAllowedCidrs?: readonly string[];
  /** The address that HTTP_PORT is opened on. @default all addresses of this machine */
  readonly httpHost?: string;
};

/**
 * Connects, creates missing streams and consumers, and delivers until it is stopped.
 *
 * @param signal Ends the wait for NATS.
 * @throws {UserError} If the user can cure the problem; the signal's reason if the signal is aborted.
 */
export async function runWorker(
  settings: Settings,
  log: Logger,
  signal: AbortSignal,
  { routes = () => [], alsoAllowedCidrs = [], httpHost }: WorkerExtras = {},
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
  const warned = [...topology.warned, ...orderedTopology.warned];
  const configuration = new ConfigurationWatch(client, settings, log, warned);
  await configuration.start();
  const worker = assembleWorker({
    settings,
    log,
    client,
    topology,
    orderedTopology,
    configuration,
    database,
    alsoAllowedCidrs,
  });

  const health = createHealthServer(settings, log, worker, routes(pool, worker), httpHost);
  const statistics = statisticsOf(worker, log);
  const deliveries = new Deliveries(worker, isOrdered, settings.SHUTDOWN_DRAIN_MS);
  // Each service may use the services before it.
  const services = new ServiceGroup('worker', [
    connectionsOf(worker, client, pool, statistics),
    health,
    statistics,
    boundedStop(worker.calls),
    endpointsOf(worker),
    deliveries,
    ...watchersOf(worker, topology, settings, log),
  ]);
  const startedAt = performance.now();
  await services.start();
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
    await services.stop();
    const { total, rows: unflushedRows } = worker.statistics;
    const uptimeMs = performance.now() - startedAt;
    log.info({ ...statisticsLine(total, uptimeMs), ...deliveries.stopped, unflushedRows }, 'worker.stopped');
  }

  const broken = client.closed.then((error) => error ?? new Error('the connection to NATS is closed'));
  return { httpPort: health.port, broken, stop };
}
