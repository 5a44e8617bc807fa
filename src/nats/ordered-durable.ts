import type { NatsClient } from './connection/client.ts';
import { consumerName } from './consumers/consumer-name.ts';
import { ensureQueueDurable, type QueueDurable } from './consumers/queue-consumer.ts';

export type OrderedDurableWanted = {
  /** ORDERED_STREAM_NAME. */
  readonly stream: string;
  readonly subject: string;
  /** ACK_WAIT_MS. */
  readonly ackWaitMs: number;
};

/**
 * How much longer than the ack wait the server keeps a durable that nobody pulls from, in milliseconds. Our words about a message
 * count as life, and while we hold one they come more often than that: a durable that vanished under a message would be made
 * again, and hand out that message a second time, while the first one is with a worker.
 */
const OUTLIVES_MS = 20_000;

export function orderedDurableName(subject: string): string {
  return consumerName(`ordered-${subject}`);
}

/**
 * The durable of one ordered subject. It lets one message out at a time, to whichever worker: the next one comes when that is
 * acked or ended, whatever happens meanwhile.
 */
export function ensureOrderedDurable(
  client: NatsClient,
  { stream, subject, ackWaitMs }: OrderedDurableWanted,
): Promise<QueueDurable> {
  return ensureQueueDurable(client, {
    stream,
    subject,
    name: orderedDurableName(subject),
    purpose: `take ${subject} from ${stream}`,
    ackWaitMs,
    maxAckPending: 1,
    inactiveMs: ackWaitMs + OUTLIVES_MS,
    // It may be of before ACK_WAIT_MS changed, or of somebody who lets out more than one: order rests on these values.
    isUpdated: true,
  });
}
