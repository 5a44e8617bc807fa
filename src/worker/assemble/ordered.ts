import type { Settings } from '../../config/settings.ts';
import { CopyOrder } from '../../delivery/ordered/copy-order.ts';
import { OrderedQueueReader, type OrderedQueues } from '../../delivery/ordered/ordered-reader.ts';
import type { NatsClient } from '../../nats/connection/client.ts';
import { createOrderedQueues } from '../../nats/consumers/ordered-queues.ts';
import type { ReceivedMessage } from '../../nats/messages/received-message.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { OrderedTopology } from '../topology/ordered-topology.ts';
import type { Topology } from '../topology/topology.ts';

export type OrderedParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly client: NatsClient;
  readonly topology: Topology;
  readonly orderedTopology: OrderedTopology;
  /** True if messages may come now. */
  mayPull(): boolean;
  /** True if a row of `rule_webhooks` has this endpoint key now. */
  isPresentKey(endpointKey: string): boolean;
};

/** Wires the queues of ordered webhooks, and their reader. */
export function assembleOrdered(parts: OrderedParts) {
  const { settings, log, client, topology, orderedTopology, mayPull } = parts;
  const queues = createOrderedQueues(client, {
    stream: settings.ORDERED_STREAM_NAME,
    sourceStream: settings.STREAM_NAME,
    subjects: settings.ORDERED_SUBJECT,
    group: settings.QUEUE_GROUP,
    ackWaitMs: () => topology.ackWaitMs,
    streamCreatedAt: () => orderedTopology.createdAt,
    isStreamKnown: () => orderedTopology.isCurrent(),
  });
  const reader = new OrderedQueueReader<ReceivedMessage>({
    queues: onlyWhenReady(queues, orderedTopology),
    maxOpenQueues: settings.MAX_OPEN_QUEUES,
    maxTrackedQueues: settings.MAX_TRACKED_ENDPOINTS,
    mayPull,
    log,
    clock: systemClock,
  });
  return { reader, isAcked: queues.isOver, copyOrder: new CopyOrder(queues, parts.isPresentKey) };
}

/**
 * Lists and opens queues only if the stream is configured as it must be. New messages are reported in any stream. In a stream
 * that keeps delivered messages, a consumer would deliver all of them again.
 */
function onlyWhenReady(
  queues: OrderedQueues<ReceivedMessage>,
  topology: OrderedTopology,
): OrderedQueues<ReceivedMessage> {
  return {
    ...queues,
    async list() {
      if (!(await topology.isReady())) return null;
      // If the stream is gone, `isCurrent` creates it again.
      return (await queues.list()) ?? ((await topology.isCurrent()) ? queues.list() : null);
    },
    open: async (queue, sink) => ((await topology.isReady()) ? queues.open(queue, sink) : null),
  };
}
