import type pg from 'pg';
import type { Settings } from '../config/settings.ts';
import { subjectPrefixOf } from '../config/subject-prefix.ts';
import { Acceptor } from '../ingest/acceptor.ts';
import { IngestLog } from '../ingest/ingest-log.ts';
import { KeyMemory } from '../ingest/key-memory.ts';
import { MemoryBound } from '../ingest/memory-bound.ts';
import type { NatsClient } from '../nats/connection/client.ts';
import { RequestPublisher } from '../nats/publishing/request-publisher.ts';
import { readDeliveryStories } from '../postgres/tables/deliveries-view.ts';
import {
  insertReceivedWebhooks,
  readReceivedWebhook,
  readWebhookCounts,
} from '../postgres/tables/received-webhooks-table.ts';
import type { Logger } from '../runtime/logger.ts';
import { randomBytesOf } from '../runtime/random-bytes.ts';
import { type Service, ServiceGroup } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { connectServers } from '../worker/connections/servers.ts';
import { assembleAccess } from './assemble/access.ts';
import { ApiHealth } from './health.ts';
import { KnownEndpoints } from './known-endpoints.ts';
import { LiveWorkers } from './live-workers.ts';
import { ApiServers } from './servers.ts';
import { StreamWatch } from './stream-watch.ts';
import { readWaiting } from './waiting.ts';

export type RunningApi = {
  readonly port: number;
  /** Null if none is open. */
  readonly adminPort: number | null;
  /** Resolves when the connection to NATS is closed for good, and a reconnect cannot cure that. */
  readonly broken: Promise<Error>;
  /** Stops listening, answers the requests under way, then closes the connections. */
  stop(): Promise<void>;
};

const OPEN_TO_ALL =
  'API_AUTH=open: everybody who reaches the port may publish. Without API_HOST, only programs of this machine reach it.';
const IN_MEMORY = 'the stream is in memory: a 202 does not survive a restart of nats-server';

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
  const access = assembleAccess({ settings, pool, log });
  const publisher = new RequestPublisher(client, {
    confirmWithinMs: settings.CONFIRM_TIMEOUT_MS,
    maxInFlight: settings.MAX_IN_FLIGHT,
    maxInFlightBytes: settings.MAX_IN_FLIGHT_BYTES,
  });
  const ingestLog =
    settings.INGEST_LOG === 'off'
      ? null
      : new IngestLog({ insert: (webhooks) => insertReceivedWebhooks(pool, webhooks), log });
  const acceptor = new Acceptor({
    store: publisher,
    subjectPrefix,
    keys: new KeyMemory(
      KEYS_REMEMBERED,
      () => stream.duplicateWindowMs,
      () => performance.now(),
    ),
    liveWorkers: () => workers.live,
    onAccepted: (webhook) => ingestLog?.note(webhook),
    now: Date.now,
    random: randomBytesOf(RANDOM_BYTES),
  });
  const health = apiHealth({ client, publisher, stream, endpoints, access });
  const http = new ApiServers(settings, log, {
    hostProblem: access.hostProblem,
    health,
    ingest: {
      access: access.check,
      bound: new MemoryBound(settings.MAX_IN_FLIGHT, settings.MAX_IN_FLIGHT_BYTES),
      acceptor,
      names: endpoints,
      sources: access.sources,
      log,
      rows: endpoints,
      maxBytes: () => stream.maxBodyBytes,
      stories: {
        received: (id) => readReceivedWebhook(pool, id),
        deliveries: (id, name) => readDeliveryStories(pool, id, name),
      },
      isLogged: ingestLog !== null,
      stats: { counts: () => readWebhookCounts(pool), waiting: () => readWaiting(client, settings) },
      now: Date.now,
    },
  });
  const services = new ServiceGroup('api', [
    connectionsOf(client, pool, publisher, settings),
    stream,
    endpoints,
    workers,
    ...access.services,
    ...(ingestLog === null ? [] : [ingestLog]),
    http,
  ]);
  await services.start();
  if (settings.API_AUTH === 'open') log.warn({ hint: OPEN_TO_ALL }, 'api.open');
  const { port, adminPort } = http;
  log.info({ port, adminPort, auth: settings.API_AUTH, stream: settings.STREAM_NAME }, 'api.started');
  return {
    port,
    adminPort,
    broken: client.closed.then((error) => error ?? new Error('the connection to NATS is closed')),
    async stop() {
      health.drain();
      await services.stop();
      log.info({}, 'api.stopped');
    },
  };
}

type HealthParts = {
  readonly client: NatsClient;
  readonly publisher: RequestPublisher;
  readonly stream: StreamWatch;
  readonly endpoints: KnownEndpoints;
  readonly access: ReturnType<typeof assembleAccess>;
};

function apiHealth({ client, publisher, stream, endpoints, access }: HealthParts): ApiHealth {
  return new ApiHealth(
    {
      nats: { problem: () => publisher.problem, isNeeded: true },
      storage: { problem: () => (stream.isInMemory ? IN_MEMORY : null), isNeeded: false },
      postgres: { problem: () => endpoints.problem, isNeeded: false },
      keys: { problem: access.problem, isNeeded: false },
    },
    () => client.connection.isClosed(),
    Date.now,
  );
}

function connectionsOf(
  client: NatsClient,
  pool: pg.Pool,
  publisher: RequestPublisher,
  { CONFIRM_TIMEOUT_MS }: Settings,
): Service {
  return {
    name: 'connections',
    start() {},
    async stop() {
      await publisher.flush(CONFIRM_TIMEOUT_MS);
      publisher.stop();
      await withTimeout(CLOSE_MS, Promise.all([client.close(), pool.end()]));
    },
  };
}
