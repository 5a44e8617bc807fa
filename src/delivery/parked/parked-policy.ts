import type { OpenQueue, QueuePolicy, WaitingQueue } from './queue-policy.ts';

/** The endpoint of a parked queue. */
export type ParkedQueueFacts = {
  /** How many messages of the queue may be sent now, by the endpoint limiter. */
  readonly capacity: number;
  readonly isUnhealthy: boolean;
  /** Messages in the queue at the last count. */
  readonly parked: number;
};

/**
 * The most queues that are opened per check. Few, because a new consumer is one of the most expensive requests to nats-server.
 * Fewer still for probes, because thousands of probes are due when thousands of endpoints are down.
 */
const OPENED_AT_ONCE = { probes: 2, others: 8 };
/**
 * Interval between two lists of the queues, in milliseconds, by their number. `active`: up to FEW queues, while this worker sends. Another
 * worker may have seen only messages that an endpoint fails on, and may have parked the others with them: here they need not wait.
 */
const LIST_EVERY_MS = { active: 250, few: 5000, many: 15_000 };
const FEW = 100;
const MANY = 1000;
/**
 * How long a queue that delivers nothing stays open, in milliseconds. `crowded`: while others wait to be opened. `max`: else.
 */
const IDLE_MS = { max: 20_000, crowded: 1000 };
/** How long a queue stays open while other queues wait to be opened, in milliseconds. Without others, it stays open longer. */
const TIME_SLICE_MS = 10_000;

/**
 * When the parked queue of an endpoint is read: while the endpoint has capacity.
 *
 * @param maxOpen MAX_OPEN_QUEUES.
 */
export function parkedPolicy(maxOpen: number): QueuePolicy<ParkedQueueFacts> {
  return {
    kind: 'parked',
    checkEveryMs: 50,
    maxOpen,
    retryMs: null,
    isParkingActivity: false,
    owns: () => true,
    listEveryMs,
    next,
    isOver,
    opensAgain: ({ parked }) => parked > 0,
    // ParkedSlotShare has divided the slots between the open queues already.
    credits: (available) => available,
  };
}

function listEveryMs(count: number, isActive: boolean): number {
  if (count >= MANY) return LIST_EVERY_MS.many;
  return isActive && count <= FEW ? LIST_EVERY_MS.active : LIST_EVERY_MS.few;
}

function next<W extends WaitingQueue<ParkedQueueFacts>>(waiting: Iterable<W>, room: number): readonly W[] {
  const left = { probes: OPENED_AT_ONCE.probes, others: OPENED_AT_ONCE.others };
  const picked: W[] = [];
  for (const queue of waiting) {
    const { capacity, isUnhealthy } = queue.facts;
    if (capacity === 0) continue;
    const group = isUnhealthy ? 'probes' : 'others';
    if (left[group]-- <= 0) continue;
    picked.push(queue);
    if (picked.length === room) break;
  }
  return picked;
}

function isOver(open: OpenQueue<ParkedQueueFacts>, isCrowded: boolean): boolean {
  const { facts, idleMs, openMs, outstanding } = open;
  // Between two probes of an unhealthy endpoint, nothing is pulled.
  if (facts.isUnhealthy && outstanding === 0 && facts.capacity === 0) return true;
  if (idleMs > (isCrowded ? IDLE_MS.crowded : IDLE_MS.max)) return true;
  return isCrowded && openMs > TIME_SLICE_MS;
}
