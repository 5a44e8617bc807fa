import type pg from 'pg';
import type { Settings } from '../../config/settings.ts';
import { NO_LIMITS } from '../../core/capacity/endpoint-limiter.ts';
import { Admission } from '../../delivery/admission/admission.ts';
import { EndpointReporter } from '../../delivery/admission/endpoint-report.ts';
import { EndpointLimitsWatcher } from '../../delivery/admission/limits-watcher.ts';
import { ParkedQueueReader } from '../../delivery/parked/parked-reader.ts';
import { ParkedSlotShare, type ParkedSlotShareOptions } from '../../delivery/parked/parked-share.ts';
import { ScheduledQueueReader } from '../../delivery/parked/scheduled-reader.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createParkedQueues } from '../../nats/consumers/parked-queues.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { readEndpointLimits } from '../../postgres/tables/endpoints-table.ts';
import { createEventLoopMonitor } from '../../runtime/event-loop-load.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Topology } from '../topology/topology.ts';

export type AdmissionParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  /** The slots, as they are now. */
  readonly slots: Pick<ParkedSlotShareOptions, 'free' | 'outstanding'>;
  /** How many messages may come now whose time has come. */
  freeForDue(): number;
  /** Takes a parked copy, or one of somebody else's messages there. */
  take(copy: ReceivedMessage): void;
};

/** Wires the rooms of the endpoints, what drains their queues, and what takes out messages that are due. */
export function assembleAdmission({
  settings,
  log,
  client,
  topology,
  slots,
  freeForDue,
  take,
}: AdmissionParts) {
  const now = () => performance.now();
  const admission = new Admission({
    slots: settings.CONCURRENCY,
    unresponsiveAfterMs: settings.PARK_AFTER_MS,
    failureRateThreshold: settings.BREAKER_FAILURE_RATE,
    windowMs: settings.BREAKER_WINDOW_MS,
    retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
    maxEndpoints: settings.MAX_TRACKED_ENDPOINTS,
    isBusy: createEventLoopMonitor(),
    limits: NO_LIMITS,
    now,
    random: Math.random,
  });
  const queues = createParkedQueues(client, {
    stream: settings.PARKED_STREAM_NAME,
    sourceStream: settings.STREAM_NAME,
    maxBatch: settings.CONCURRENCY,
    ackWaitMs: () => topology.ackWaitMs,
    streamCreatedAt: () => topology.parkedCreatedAt,
    isStreamKnown: () => topology.isParkedCurrent(),
    take,
  });
  const share = new ParkedSlotShare({ ...slots, admission, slots: settings.CONCURRENCY, now });
  const scheduledQueues = new ScheduledQueueReader({ queues, capacity: freeForDue, log, now, at: Date.now });
  const ofEndpoints = {
    open: queues.open,
    async list() {
      const listed = await queues.list();
      return listed === null ? null : scheduledQueues.takeScheduled(listed);
    },
  };
  const parkedQueues = new ParkedQueueReader({
    admission,
    queues: ofEndpoints,
    maxOpenQueues: settings.MAX_OPEN_QUEUES,
    share,
    log,
    now,
  });
  const reporter = new EndpointReporter({ admission, log, now, at: Date.now });
  return { admission, parkedQueues, scheduledQueues, share, reporter };
}

/** Wires what operators and settings allow at each endpoint. */
export function assembleLimits(parts: {
  readonly settings: Settings;
  readonly log: Logger;
  readonly pool: pg.Pool;
  readonly admission: Admission;
}): EndpointLimitsWatcher {
  const { settings, log, pool, admission } = parts;
  const group = { streamName: settings.STREAM_NAME, queueGroup: settings.QUEUE_GROUP };
  return new EndpointLimitsWatcher({
    defaults: {
      concurrency: settings.ENDPOINT_CONCURRENCY,
      ratePerSecond: settings.ENDPOINT_RATE_LIMIT,
      disabledEndpoint: settings.DISABLED_ENDPOINT,
    },
    read: () => readEndpointLimits(pool, group),
    admission,
    log,
  });
}
