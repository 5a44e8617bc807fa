import type { Settings } from '../../config/settings.ts';
import { NO_LIMITS } from '../../core/capacity/endpoint-limits.ts';
import { Admission } from '../../delivery/admission/admission.ts';
import { EndpointReporter } from '../../delivery/admission/endpoint-report.ts';
import { ParkedKind } from '../../delivery/parked/parked-kind.ts';
import { ParkedSlotShare, type ParkedSlotShareOptions } from '../../delivery/parked/parked-share.ts';
import { QueueReader } from '../../delivery/parked/queue-reader.ts';
import { scheduledKind } from '../../delivery/parked/scheduled-kind.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createParkedQueues } from '../../nats/consumers/parked-queues.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { systemClock } from '../../runtime/clock.ts';
import { createEventLoopMonitor } from '../../runtime/event-loop-load.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Topology } from '../topology/topology.ts';

export type AdmissionParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  /** The current use of the slots. */
  readonly slots: Pick<ParkedSlotShareOptions, 'free' | 'outstanding'>;
  /** How many messages that are due may come now. */
  dueCapacity(): number;
};

/** Wires the endpoint limiters, and the reader of parked and scheduled queues. */
export function assembleAdmission({ settings, log, client, topology, slots, dueCapacity }: AdmissionParts) {
  const { now } = systemClock;
  const admission = new Admission({
    slots: settings.CONCURRENCY,
    unresponsiveAfterMs: settings.PARK_AFTER_MS,
    retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
    maxEndpoints: settings.MAX_TRACKED_ENDPOINTS,
    isBusy: createEventLoopMonitor(),
    limits: NO_LIMITS,
    log,
    clock: systemClock,
    random: Math.random,
  });
  const queues = createParkedQueues(client, {
    stream: settings.PARKED_STREAM_NAME,
    owner: { sourceStream: settings.STREAM_NAME, group: settings.QUEUE_GROUP },
    maxBatch: settings.CONCURRENCY,
    ackWaitMs: () => topology.ackWaitMs,
    streamCreatedAt: () => topology.parkedCreatedAt,
    isStreamKnown: () => topology.isParkedCurrent(),
  });
  const share = new ParkedSlotShare({ ...slots, admission, slots: settings.CONCURRENCY, now });
  const parkedQueues = new QueueReader<ReceivedMessage>({
    queues,
    // Every other key is the key of an endpoint.
    kinds: [
      scheduledKind({ capacity: dueCapacity, at: Date.now }),
      new ParkedKind<ReceivedMessage>({ admission, maxOpenQueues: settings.MAX_OPEN_QUEUES, share, now }),
    ],
    log,
    isActive: admission.isActive,
    now,
  });
  const reporter = new EndpointReporter({ admission, log, clock: systemClock, at: Date.now });
  return { admission, parkedQueues, share, reporter };
}
