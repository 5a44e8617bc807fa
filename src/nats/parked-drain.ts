import { scheduledQueue } from '../core/scheduled-queue.ts';
import type { NatsClient } from './connection/client.ts';
import { consumerName } from './consumers/consumer-name.ts';
import { ensureQueueDurable, type QueueDurable } from './consumers/queue-consumer.ts';
import { parkedSubject } from './streams/parked-stream.ts';

export type DrainWanted = {
  /** PARKED_STREAM_NAME. */
  readonly parkedStream: string;
  /** The stream whose messages are parked there. */
  readonly sourceStream: string;
  readonly endpointKey: string;
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

/** Handed out and not yet acked, by one endpoint; and of what is due within one minute, which all waits for its second. */
const MAX_ACK_PENDING = { ofEndpoint: 10_000, ofMinute: 100_000 };
/** How long the server keeps a drain that nobody pulls from. It holds nothing that the next one would not find in the stream. */
const INACTIVE_MS = 20_000;

/** The durable from which all workers drain what is parked for one endpoint, or is due within one minute or day. */
export function ensureDrain(client: NatsClient, wanted: DrainWanted): Promise<QueueDurable> {
  const { parkedStream, sourceStream, endpointKey, ackWaitMs } = wanted;
  return ensureQueueDurable(client, {
    stream: parkedStream,
    subject: parkedSubject(sourceStream, endpointKey),
    // What somebody else parked may have any key.
    name: consumerName(`drain-${sourceStream}-${endpointKey}`),
    purpose: `drain ${endpointKey} from ${parkedStream}`,
    ackWaitMs,
    maxAckPending:
      scheduledQueue(endpointKey) === null ? MAX_ACK_PENDING.ofEndpoint : MAX_ACK_PENDING.ofMinute,
    inactiveMs: INACTIVE_MS,
    // A peer made it, with another ACK_WAIT_MS.
    isUpdated: false,
  });
}
