import { requireDifferentPorts } from '../config/ports.ts';
import type { Settings } from '../config/settings.ts';
import { subjectPrefixOf } from '../config/subject-prefix.ts';
import { Acceptor } from '../ingest/acceptor.ts';
import { IngestLog } from '../ingest/ingest-log.ts';
import { KeyMemory } from '../ingest/key-memory.ts';
import { MemoryBound } from '../ingest/memory-bound.ts';
import { RateCheck } from '../ingest/rate-check.ts';
import { readWithin } from '../postgres/connection/read-within.ts';
import { readDeliveryStories } from '../postgres/tables/deliveries-view.ts';
import { readBacklog } from '../postgres/tables/outbox-backlog-view.ts';
import {
  insertReceivedWebhooks,
  readReceivedWebhook,
  readWebhookCounts,
} from '../postgres/tables/received-webhooks-table.ts';
import type { Logger } from '../runtime/logger.ts';
import { randomBytesOf } from '../runtime/random-bytes.ts';
import { ServiceGroup } from '../runtime/service.ts';
import { withTimeout } from '../runtime/with-timeout.ts';
import { openServers } from '../worker/connections/servers.ts';
import { assembleAccess } from './assemble/access.ts';
import { ApiHealth } from './health.ts';
import { KnownEndpoints } from './known-endpoints.ts';
import { LiveWorkers } from './live-workers.ts';
import { NatsStore } from './nats-store.ts';
import { ApiServers } from './servers.ts';

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
/** How long PostgreSQL may count for one answer of `GET /webhooks/stats`, in milliseconds. Above: it would take CPU time from deliveries. */
const COUNT_WITHIN_MS = 5000;
/** How long a stop waits for connections to close, in milliseconds. Then it goes on. */
const CLOSE_MS = 5000;

/**
 * Connects, creates what is missing, and takes webhooks by HTTP until it is stopped.
 *
 * @param signal Ends the wait for NATS.
 * @throws {UserError} If the user can cure the problem; the signal's reason if the signal is aborted.
 */
export async function runApi(settings: Settings, log: Logger, signal: AbortSignal): Promise<RunningApi> {
  const { PORT, ADMIN_PORT } = settings;
  requireDifferentPorts({ PORT, ADMIN_PORT });
  const subjectPrefix = subjectPrefixOf(settings.SUBJECT);
  const givenUp = new AbortController();
  const either = AbortSignal.any([signal, givenUp.signal]);
  const { database, connecting } = await openServers(settings, log, either);
  const { pool } = database;
  const store = new NatsStore(settings, log);
  const endpoints = new KnownEndpoints(settings, pool, subjectPrefix, log);
  const workers = new LiveWorkers(pool, settings);
  const access = assembleAccess({ settings, pool, log });
  const ingestLog =
    settings.INGEST_LOG === 'off'
      ? null
      : new IngestLog({ insert: (webhooks) => insertReceivedWebhooks(pool, webhooks), log });
  const acceptor = new Acceptor({
    store,
    subjectPrefix,
    keys: new KeyMemory(
      KEYS_REMEMBERED,
      () => store.duplicateWindowMs,
      () => performance.now(),
    ),
    liveWorkers: () => workers.live,
    onAccepted: (webhook) => ingestLog?.note(webhook),
    now: Date.now,
    random: randomBytesOf(RANDOM_BYTES),
  });
  const health = apiHealth({ store, endpoints, access });
  const http = new ApiServers(settings, log, {
    hostProblem: access.hostProblem,
    health,
    ingest: {
      access: access.check,
      bound: new MemoryBound(settings.MAX_IN_FLIGHT, settings.MAX_IN_FLIGHT_BYTES),
      rate:
        settings.API_RATE_LIMIT === undefined
          ? null
          : new RateCheck(settings.API_RATE_LIMIT, () => performance.now()),
      acceptor,
      names: endpoints,
      sources: access.sources,
      log,
      rows: endpoints,
      maxBytes: () => store.maxBodyBytes,
      stories: {
        received: (id) => readReceivedWebhook(pool, id),
        deliveries: (id, name) => readDeliveryStories(pool, id, name),
      },
      isLogged: ingestLog !== null,
      stats: {
        counts: () => readWithin(pool, COUNT_WITHIN_MS, readWebhookCounts),
        waiting: () => store.waiting(),
        outbox: async () => {
          const backlog = await readWithin(pool, COUNT_WITHIN_MS, readBacklog);
          return backlog === 'tooSlow' ? null : backlog;
        },
      },
      now: Date.now,
    },
  });
  const services = new ServiceGroup('api', [
    { name: 'pool', start() {}, stop: () => withTimeout(CLOSE_MS, pool.end()).then(() => {}) },
    store,
    endpoints,
    workers,
    ...access.services,
    ...(ingestLog === null ? [] : [ingestLog]),
    http,
    // Last: while NATS is away, the ports are open, and say so.
    { name: 'connection', start: async () => store.open(await connecting, database.streamRow), stop() {} },
  ]);
  await services.start().catch(async (error) => {
    // The start may have failed before NATS answered.
    givenUp.abort(error);
    await connecting.then((client) => client.close()).catch(() => {});
    throw error;
  });
  if (settings.API_AUTH === 'open') log.warn({ hint: OPEN_TO_ALL }, 'api.open');
  const { port, adminPort } = http;
  log.info({ port, adminPort, auth: settings.API_AUTH, stream: settings.STREAM_NAME }, 'api.started');
  return {
    port,
    adminPort,
    broken: (await connecting).closed.then((error) => error ?? new Error('the connection to NATS is closed')),
    async stop() {
      health.drain();
      await services.stop();
      log.info({}, 'api.stopped');
    },
  };
}

type HealthParts = {
  readonly store: NatsStore;
  readonly endpoints: KnownEndpoints;
  readonly access: ReturnType<typeof assembleAccess>;
};

function apiHealth({ store, endpoints, access }: HealthParts): ApiHealth {
  return new ApiHealth(
    {
      nats: { problem: () => store.problem, isNeeded: true },
      storage: { problem: () => (store.isInMemory ? IN_MEMORY : null), isNeeded: false },
      postgres: { problem: () => endpoints.problem, isNeeded: false },
      keys: { problem: access.problem, isNeeded: false },
    },
    () => store.isClosed,
    Date.now,
  );
}
