import { type ScheduledBucket, scheduledBucket } from '../../core/scheduled-queue.ts';
import type { QueueKind } from './queue-kind.ts';
import { SCHEDULED_POLICY, type ScheduledQueueFacts } from './scheduled-policy.ts';

export type ScheduledKindOptions = {
  /** How many messages may come now, from all scheduled queues together. */
  capacity(): number;
  /** Milliseconds since 1970. */
  at(): number;
};

/** Scheduled messages, taken when they are due. Each scheduled queue holds the messages of one day or of one minute. */
export function scheduledKind(
  options: ScheduledKindOptions,
): QueueKind<unknown, ScheduledBucket, ScheduledQueueFacts> {
  const { capacity, at } = options;
  return {
    policy: SCHEDULED_POLICY,
    facts: ({ opensAt, endsAt }) => ({ dueForMs: at() - opensAt, endedForMs: at() - endsAt }),
    available: capacity,
    isTracked: () => true,
    onParked: bucketOf,
    onListed: (listed) => [...listed.keys()].map(bucketOf),
    // A message may be parked after the list. A queue that is opened in vain costs less than a message that comes late.
    isEmpty: () => false,
    onOpened() {},
    onMessage() {},
    onClosed() {},
  };
}

/** Never called with the key of an endpoint: SCHEDULED_POLICY owns only keys of buckets. */
function bucketOf(key: string): ScheduledBucket {
  return scheduledBucket(key)!;
}
