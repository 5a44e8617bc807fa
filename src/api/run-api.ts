import { randomFillSync } from 'node:crypto';
import type { Settings } from '../config/settings.ts';
import { createApp } from '../http/app.ts';
import { closeApp, listen } from '../http/listen.ts';
import { Acceptor } from '../ingest/acceptor.ts';
import { OPEN } from '../ingest/caller.ts';
import { KeyMemory } from '../ingest/key-memory.ts';
import { MemoryBound } from '../ingest/memory-bound.ts';
import { addRoutes } from '../ingest/routes.ts';
import { RequestPublisher } from '../nats/publishing/request-publisher.ts';
import type { Logger } from '../runtime/logger.ts';
import { type Service, ServiceGroup } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { connectServers } from '../worker/connections/servers.ts';
import { KnownEndpoints } from './known-endpoints.ts';
import { LiveWorkers } from './live-workers.ts';
import { StreamWatch } from './stream-watch.ts';
import { subjectPrefixOf } from './subject-prefix.ts';

export type RunningApi = {
  readonly port: number;
  /** Resolves when the connection to NATS is closed for good, and a reconnect cannot cure that. */
  readonly broken: Promise<Error>;
  /** Stops listening, answers the requests under way, then closes the connections. */
  stop(): Promise<void>;
};

const KEYS_REMEMBERED = 10_000;
const RANDOM_BYTES = 16;
/** How long a stop waits for connections to close, in milliseconds. Then it goes on. */
const CLOSE_MS = 5000;

/**
 * Connects, creates what is missing, and takes webhooks by HTTP until it is stopped.
 *
 * @param signal Ends the wait for NATS.
 * @throws {UserError} If the user can cure the problem; the signal's reason if the signal is aborted.
 */
export async function runApi(settings: Settings, log: Logger, signal: AbortSignal): Promise<RunningApi> {
  const subjectPrefix = subjectPrefixOf(settings.SUBJECT);
  const { database, client } = await connectServers(settings, log, signal);
  const { pool } = database;
  const stream = new StreamWatch(client, settings, database.streamRow, log);
  const endpoints = new KnownEndpoints(settings, pool, subjectPrefix, log);
  const workers = new LiveWorkers(pool, settings);
  const publisher = new RequestPublisher(client, {
    confirmWithinMs: settings.CONFIRM_TIMEOUT_MS,
    maxInFlight: settings.MAX_IN_FLIGHT,
    maxInFlightBytes: settings.MAX_IN_FLIGHT_BYTES,
  });
  const acceptor = new Acceptor({
    store: publisher,
    subjectPrefix,
    keys: new KeyMemory(
      KEYS_REMEMBERED,
      () => stream.duplicateWindowMs,
      () => performance.now(),
    ),
    liveWorkers: () => workers.live,
    onAccepted: () => {},
    now: Date.now,
    random: () => randomFillSync(Buffer.allocUnsafe(RANDOM_BYTES)),
  });
  const app = createApp({ log, maxBodyBytes: settings.MAX_BODY_BYTES });
  addRoutes(app, {
    access: { callerOf: () => OPEN },
    bound: new MemoryBound(settings.MAX_IN_FLIGHT, settings.MAX_IN_FLIGHT_BYTES),
    acceptor,
    names: endpoints,
    maxBytes: () => stream.maxBodyBytes,
  });
  let port = 0;
  const services = new ServiceGroup('api', [
    connections(),
    stream,
    endpoints,
    workers,
    {
      name: 'http',
      async start() {
        const host = settings.API_HOST ?? (settings.API_AUTH === 'open' ? '127.0.0.1' : undefined);
        port = await listen(app, { setting: 'PORT', port: settings.PORT, host });
      },
      async stop() {
        await closeApp(app, settings.SHUTDOWN_DRAIN_MS);
      },
    },
  ]);

  function connections(): Service {
    return {
      name: 'connections',
      start() {},
      async stop() {
        await publisher.flush(settings.CONFIRM_TIMEOUT_MS);
        publisher.stop();
        await withTimeout(CLOSE_MS, Promise.all([client.close(), pool.end()]));
      },
    };
  }

  await services.start();
  log.info({ port, auth: settings.API_AUTH, stream: settings.STREAM_NAME }, 'api.started');
  return {
    port,
    broken: client.closed.then((error) => error ?? new Error('the connection to NATS is closed')),
    async stop() {
      await services.stop();
      log.info({}, 'api.stopped');
    },
  };
}
