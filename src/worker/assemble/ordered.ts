import type { Settings } from '../../config/settings.ts';
import type { Admission } from '../../delivery/admission/admission.ts';
import type { DeliverySteps } from '../../delivery/handle-message.ts';
import { OrderedDispatcher } from '../../delivery/ordered/ordered-dispatcher.ts';
import { OrderedQueueReader } from '../../delivery/ordered/ordered-reader.ts';
import { isOrderedTimeSlice } from '../../delivery/ordered/ordered-share.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createOrderedQueues } from '../../nats/consumers/ordered-queues.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { orderedCopySubject } from '../../nats/streams/ordered-stream.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';
import type { Settling } from './settlement.ts';

export type OrderedParts = Pick<Settling, 'settlement' | 'acks'> & {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  readonly admission: Admission;
  readonly steps: DeliverySteps<ReceivedMessage>;
  /** Slots without a message, and without one that is about to come. */
  free(): number;
  /** Takes a message into a slot. */
  start(message: ReceivedMessage): void;
  /** How much more may be kept in memory, in bytes. */
  leftBytes(): number;
};

/** Wires the queues of ordered webhooks, and the journey of their messages: none is parked, and each waits in its stream. */
export function assembleOrdered(parts: OrderedParts) {
  const { settings, log, client, topology, orderedTopology, admission, steps, settlement, acks } = parts;
  const now = () => performance.now();
  const messages = new OrderedDispatcher<ReceivedMessage>({
    slots: settings.CONCURRENCY,
    free: parts.free,
    capacityFor(endpointKey) {
      const endpoint = admission.endpointFor(endpointKey);
      return endpoint.hasBacklog && !isOrderedTimeSlice(now()) ? 0 : admission.capacityFor(endpoint);
    },
    start: parts.start,
    leftBytes: parts.leftBytes,
    blocked: (queue) => keys.onBlocked(queue),
    settled: (queue, pending, delayMs) => keys.onSettled(queue, pending, delayMs),
    requeue: (message) => settlement.requeue(message, 0),
    ackDuplicate: (message) => settlement.ackDuplicate(message),
    now,
  });
  const queues = createOrderedQueues(client, {
    stream: settings.ORDERED_STREAM_NAME,
    subjects: settings.ORDERED_SUBJECT,
    group: settings.QUEUE_GROUP,
    ackWaitMs: () => topology.ackWaitMs,
    streamCreatedAt: () => orderedTopology.createdAt,
    isStreamKnown: () => orderedTopology.isCurrent(),
    take(message) {
      settlement.hold(message);
      messages.onMessage(message);
    },
  });
  const keys = new OrderedQueueReader({
    queues: {
      ...queues,
      async list() {
        if (!(await orderedTopology.isReady())) return null;
        // Not there any more, perhaps: then it is made again.
        return (await queues.list()) ?? ((await orderedTopology.isCurrent()) ? queues.list() : null);
      },
      // Messages are heard of in a stream that is not as it must be, too: a durable on one that keeps what was delivered, say,
      // would send all of it again.
      open: async (queue, owner) => ((await orderedTopology.isReady()) ? queues.open(queue, owner) : null),
    },
    maxOpenQueues: settings.MAX_OPEN_QUEUES,
    maxTrackedQueues: settings.MAX_TRACKED_ENDPOINTS,
    mayPull: () => acks.problem() === null,
    log,
    now,
  });
  const inOrder: DeliverySteps<ReceivedMessage> = {
    ...steps,
    // It may have been handed back unsent, by any worker that stopped: then it is sent at least once.
    hasRequeued: () => true,
    retryVia: () => 'nak',
    async admit(message, { target, endpoint }) {
      const copies = orderedCopySubject(settings.STREAM_NAME, message.orderingKey!, target.endpointKey);
      // Its endpoint was one of several a moment ago, and has still to get what was copied for it then.
      const isEarly = endpoint !== null && message.parkedEndpointKey === null && keys.hasBacklog(copies);
      if (messages.mustWaitBehind(message, target.endpointKey) || isEarly)
        return { kind: 'noCapacity', reason: 'others wait for room there' };
      if (await queues.isOver(message)) {
        settlement.abandon(message);
        return { kind: 'noCapacity', reason: 'it is acked by now' };
      }
      // Parked ones do not go before it: they have a queue of their own.
      const permit = await admission.admit(target, { isParkedCopy: true, cannotPark: false });
      // An attempt takes at most half of the ack wait, and must be over before another worker can have it.
      if (permit.kind === 'noCapacity' || settlement.isLeaseValid(message, topology.ackWaitMs / 2))
        return permit;
      const outcome = {
        kind: 'noCapacity',
        reason: 'NATS did not hear of it lately, and may give it to another worker',
      } as const;
      permit.release({ outcome, startedAt: steps.now(), durationMs: 0 });
      return outcome;
    },
    async fanOut(message, fanOut) {
      // Its copies may have been made by another worker, and those of the next one, too.
      if (!settlement.isLeaseValid(message)) {
        settlement.abandon(message);
        return null;
      }
      const tooLarge = await steps.fanOut(message, fanOut);
      for (const endpointKey of tooLarge === null ? fanOut.endpointKeys : [])
        keys.onPublished(orderedCopySubject(settings.STREAM_NAME, message.orderingKey!, endpointKey));
      return tooLarge;
    },
    async settle(message, delivery, attempt, verdict) {
      const disposition = await steps.settle(message, delivery, attempt, verdict);
      messages.onSettled(message, disposition);
      return disposition;
    },
  };
  return { messages, keys, inOrder };
}
