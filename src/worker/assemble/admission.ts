import type pg from 'pg';
import type { Settings } from '../../config/settings.ts';
import { NO_RULE } from '../../core/capacity/endpoint-limiter.ts';
import { Rooms } from '../../delivery/admission/admission.ts';
import { RoomReport } from '../../delivery/admission/endpoint-report.ts';
import { EndpointRules } from '../../delivery/admission/limits-watcher.ts';
import { Drainer } from '../../delivery/parked/parked-reader.ts';
import { DrainShare, type DrainShareOptions } from '../../delivery/parked/parked-share.ts';
import { Schedule } from '../../delivery/parked/scheduled-reader.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createParkedQueues } from '../../nats/consumers/parked-queues.ts';
import type { HandOut } from '../../nats/messages/received-message.ts';
import { readEndpointRules } from '../../postgres/tables/endpoints-table.ts';
import { createBusyMeter } from '../../runtime/event-loop-load.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Topology } from '../topology/topology.ts';

export type RoomParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  /** The slots, as they are now. */
  readonly slots: Pick<DrainShareOptions, 'free' | 'asked'>;
  /** How many messages may come now whose time has come. */
  freeForDue(): number;
  /** Takes a parked copy, or one of somebody else's messages there. */
  take(copy: HandOut): void;
};

/** Wires the rooms of the endpoints, what drains their queues, and what takes out messages that are due. */
export function assembleRooms({ settings, log, client, topology, slots, freeForDue, take }: RoomParts) {
  const now = () => performance.now();
  const rooms = new Rooms({
    slots: settings.CONCURRENCY,
    silentAfterMs: settings.PARK_AFTER_MS,
    failureShare: settings.BREAKER_FAILURE_SHARE,
    windowMs: settings.BREAKER_WINDOW_MS,
    retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
    mostEndpoints: settings.ENDPOINTS_KEPT,
    isBusy: createBusyMeter(),
    rule: NO_RULE,
    now,
    random: Math.random,
  });
  const queues = createParkedQueues(client, {
    stream: settings.PARKED_STREAM_NAME,
    sourceStream: settings.STREAM_NAME,
    maxBatch: settings.CONCURRENCY,
    ackWaitMs: () => topology.ackWaitMs,
    streamCreated: () => topology.parkedCreated,
    isStreamKnown: () => topology.isParkedKnown(),
    take,
  });
  const share = new DrainShare({ ...slots, rooms, slots: settings.CONCURRENCY, now });
  const schedule = new Schedule({ queues, free: freeForDue, log, now, at: Date.now });
  const ofEndpoints = {
    open: queues.open,
    async list() {
      const listed = await queues.list();
      return listed === null ? null : schedule.sift(listed);
    },
  };
  const drainer = new Drainer({
    rooms,
    queues: ofEndpoints,
    maxDrains: settings.MAX_DRAINS,
    share,
    log,
    now,
  });
  const report = new RoomReport({ rooms, log, now, at: Date.now });
  return { rooms, drainer, schedule, share, report };
}

/** Wires what operators and settings allow at each endpoint. */
export function assembleLimits(parts: {
  readonly settings: Settings;
  readonly log: Logger;
  readonly pool: pg.Pool;
  readonly rooms: Rooms;
}): EndpointRules {
  const { settings, log, pool, rooms } = parts;
  const group = { streamName: settings.STREAM_NAME, queueGroup: settings.QUEUE_GROUP };
  return new EndpointRules({
    defaults: {
      concurrency: settings.ENDPOINT_CONCURRENCY,
      ratePerSecond: settings.ENDPOINT_RATE_LIMIT,
      disabledEndpoint: settings.DISABLED_ENDPOINT,
    },
    read: () => readEndpointRules(pool, group),
    rooms,
    log,
  });
}
