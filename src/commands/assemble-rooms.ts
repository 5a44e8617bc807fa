import type { Settings } from '../config/settings.ts';
import { NO_RULE } from '../core/room.ts';
import { DrainShare, type DrainShareOptions } from '../delivery/drain-share.ts';
import { Drainer } from '../delivery/drainer.ts';
import { RoomReport } from '../delivery/room-report.ts';
import { Rooms } from '../delivery/rooms.ts';
import { Schedule } from '../delivery/schedule.ts';
import type { NatsClient } from '../nats/client.ts';
import type { HandOut } from '../nats/hand-out.ts';
import { createParkedQueues } from '../nats/parked-queues.ts';
import type { Logger } from '../runtime/logger.ts';
import { createBusyMeter } from './busy-meter.ts';
import type { Topology } from './topology.ts';

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
