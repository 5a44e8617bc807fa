import type { Settings } from '../config/settings.ts';
import { DrainShare, type DrainShareOptions } from '../delivery/drain-share.ts';
import { Drainer, type ParkedQueues } from '../delivery/drainer.ts';
import { RoomReport } from '../delivery/room-report.ts';
import { Rooms } from '../delivery/rooms.ts';
import type { NatsClient } from '../nats/client.ts';
import { HandOut } from '../nats/hand-out.ts';
import { listParked } from '../nats/list-parked.ts';
import { ensureDrain } from '../nats/parked-drain.ts';
import { createPullConsumer } from '../nats/pull-consumer.ts';
import type { Logger } from '../runtime/logger.ts';
import { createBusyMeter } from './busy-meter.ts';
import { roomRule } from './endpoint-rules.ts';
import type { Topology } from './topology.ts';

export type RoomParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  /** The slots, as they are now. */
  readonly slots: Pick<DrainShareOptions, 'free' | 'asked'>;
  /** Takes a parked copy, or one of somebody else's messages there. */
  take(copy: HandOut): void;
};

/** A drain pulls little at a time: two pulls keep it busy. */
const DRAIN_LANES = 2;

/** Wires the rooms of the endpoints, and what drains their queues. */
export function assembleRooms({ settings, log, client, topology, slots, take }: RoomParts) {
  const rooms = new Rooms({
    slots: settings.CONCURRENCY,
    silentAfterMs: settings.PARK_AFTER_MS,
    failureShare: settings.BREAKER_FAILURE_SHARE,
    windowMs: settings.BREAKER_WINDOW_MS,
    retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
    isBusy: createBusyMeter(),
    rule: roomRule(settings, { liveWorkers: 1 }, undefined),
    now: () => performance.now(),
    random: Math.random,
  });

  const wanted = { parkedStream: settings.PARKED_STREAM_NAME, sourceStream: settings.STREAM_NAME };
  const queues: ParkedQueues = {
    list: () => listParked(client, settings.PARKED_STREAM_NAME, settings.STREAM_NAME),
    async open(endpointKey, { free, came }) {
      const ensure = () => ensureDrain(client, { ...wanted, endpointKey, ackWaitMs: topology.ackWaitMs });
      const drain = await ensure();
      if ('failed' in drain) {
        log.warn(drain.failed);
        return null;
      }
      const taken = (copy: HandOut) => {
        came(copy.pending);
        take(copy);
      };
      const consumer = createPullConsumer(
        client,
        {
          stream: settings.PARKED_STREAM_NAME,
          durable: drain.name,
          streamCreated: () => topology.parkedCreated,
          maxBatch: settings.CONCURRENCY,
          limits: () => ({ batch: null, expiresMs: null }),
          isKnown: async () => (await topology.isParkedKnown()) && 'name' in (await ensure()),
          lanes: DRAIN_LANES,
          handOut: (message, created) => new HandOut(message, created, true),
        },
        { free, take: taken, handBack: taken },
      );
      consumer.start();
      return { credits: consumer.credits, wake: consumer.slotFreed, stop: consumer.stop };
    },
  };
  const now = () => performance.now();
  const share = new DrainShare({ ...slots, rooms, slots: settings.CONCURRENCY, now });
  const drainer = new Drainer({ rooms, queues, maxDrains: settings.MAX_DRAINS, share, log, now });
  const report = new RoomReport({ rooms, log, now, at: Date.now });
  return { rooms, drainer, share, report };
}
