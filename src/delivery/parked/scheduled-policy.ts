import { scheduledBucket } from '../../core/scheduled-queue.ts';
import type { QueuePolicy } from './queue-policy.ts';

/** The bucket of a scheduled queue. Both times are negative before their moment. */
export type ScheduledQueueFacts = {
  /** Time since the messages of the queue may be taken out, in milliseconds. */
  readonly dueForMs: number;
  /** Time since all messages of the queue are due, in milliseconds. */
  readonly endedForMs: number;
};

/**
 * A queue whose messages are all due is closed when nothing has come for this long, in milliseconds. Messages that remain come
 * with the next list.
 */
const IDLE_MS = 1000;

/** When a scheduled queue is read: from shortly before its day or minute until it is empty. The longest due queue comes first. */
export const SCHEDULED_POLICY: QueuePolicy<ScheduledQueueFacts> = {
  kind: 'scheduled',
  checkEveryMs: 100,
  // More than two are due only after all workers were away.
  maxOpen: 32,
  retryMs: 1000,
  // The queue may be about to close. Closed, it would deliver the message only after the next list, too late.
  isParkingActivity: true,
  owns: (key) => scheduledBucket(key) !== null,
  // There are never many scheduled queues, so their number never slows down the list.
  listEveryMs: () => 0,
  next(waiting, room) {
    const due = [...waiting].filter(({ facts }) => facts.dueForMs >= 0);
    // A queue that could not be opened goes behind the queues that were due before its retry.
    return due.sort((one, other) => dueForMs(other) - dueForMs(one)).slice(0, room);
  },
  isOver: ({ facts, idleMs }) => idleMs > IDLE_MS && facts.endedForMs >= IDLE_MS,
  opensAgain: () => false,
  credits: (available, open) => Math.ceil(available / Math.max(1, open)),
};

function dueForMs(waiting: { readonly facts: ScheduledQueueFacts; readonly retryDueForMs: number }): number {
  return Math.min(waiting.facts.dueForMs, waiting.retryDueForMs);
}
