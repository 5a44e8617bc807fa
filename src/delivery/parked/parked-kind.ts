import { endpointKeyOfQueue, isTriedQueue } from '../../core/parked-queue-key.ts';
import type { Admission } from '../admission/admission.ts';
import { isUnhealthy, type ParkedQueue, type QueueConsumer } from '../admission/tracked-endpoint.ts';
import { capacityOf } from './parked-capacity.ts';
import { type ParkedQueueFacts, parkedPolicy } from './parked-policy.ts';
import type { ParkedSlotShare } from './parked-share.ts';
import type { QueueKind } from './queue-kind.ts';
import type { QueuePolicy } from './queue-policy.ts';

export type ParkedKindOptions = {
  readonly admission: Admission;
  /** The most queues that are open at once. MAX_OPEN_QUEUES. */
  readonly maxOpenQueues: number;
  readonly share: ParkedSlotShare;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/**
 * From this many listed messages on, new messages of the endpoint are parked behind the parked messages. Below this number, new
 * messages are sent directly, if another worker parked the messages and the endpoint answers.
 */
const SMALL_BACKLOG = 100;

/**
 * For this long after this worker rejected a message of an endpoint, a list may show the message before this worker knows that it is
 * stored. It was not parked because the endpoint is down. In milliseconds.
 */
const OWN_PARKING_MS = 5000;

/**
 * The parked queues of endpoints, taken as the endpoint limiters allow. Notes on each endpoint how many messages are parked
 * for it, so that new messages are parked behind messages that were not tried.
 */
export class ParkedKind<M extends { readonly pending: number }>
  implements QueueKind<M, ParkedQueue, ParkedQueueFacts>
{
  readonly policy: QueuePolicy<ParkedQueueFacts>;
  readonly #options: ParkedKindOptions;
  /** Index at which the next part starts, if a list is longer than `maxEndpoints`. */
  #listIndex = 0;

  constructor(options: ParkedKindOptions) {
    this.#options = options;
    this.policy = parkedPolicy(options.maxOpenQueues);
  }

  facts(queue: ParkedQueue): ParkedQueueFacts {
    const { admission, now } = this.#options;
    return {
      capacity: capacityOf(queue, admission, now()),
      isUnhealthy: isUnhealthy(queue.endpoint, now()),
      parked: queue.messages ?? 0,
    };
  }

  available(queue: ParkedQueue): number {
    return this.#options.share.quotaFor(queue);
  }

  isTracked({ endpoint }: ParkedQueue): boolean {
    return !endpoint.isEvicted;
  }

  onParked(queueKey: string): ParkedQueue {
    const queue = this.#queueOf(queueKey);
    queue.messages = (queue.messages ?? 0) + 1;
    queue.parkedAt = this.#options.now();
    return queue;
  }

  onListed(listed: ReadonlyMap<string, number>, startedAt: number): Iterable<ParkedQueue> {
    const { admission } = this.#options;
    const holding: ParkedQueue[] = [];
    for (const [key, count] of this.#nextPart(listed)) {
      const queue = this.#queueOf(key);
      const { endpoint, isTried } = queue;
      const { limiter } = endpoint;
      const wasEmpty = queue.messages === null || queue.messages === 0;
      queue.messages = count;
      if (count >= SMALL_BACKLOG && !isTried) endpoint.hasBacklog = true;
      // Messages may be parked because the endpoint is down. So one message goes first, as a probe. A message that was tried may
      // wait for its next attempt at an endpoint that answers.
      const isOurs = startedAt - endpoint.rejectedAt < OWN_PARKING_MS;
      const mayBeDown = wasEmpty && !isOurs && !(isTried && limiter.breaker.hasSucceeded);
      if (mayBeDown && limiter.responsiveness === 'untested' && limiter.inFlight === 0)
        limiter.breaker.halfOpen(startedAt);
      holding.push(queue);
    }
    for (const { untried, tried } of admission.endpoints()) {
      for (const queue of [untried, tried]) {
        if (!this.isEmpty(queue, listed, startedAt)) continue;
        queue.messages = 0;
        if (!queue.isTried) queue.endpoint.hasBacklog = false;
      }
    }
    return holding;
  }

  isEmpty({ key, parkedAt }: ParkedQueue, listed: ReadonlyMap<string, number>, startedAt: number): boolean {
    return !listed.has(key) && parkedAt < startedAt;
  }

  onOpened(queue: ParkedQueue, consumer: QueueConsumer): void {
    this.#options.share.add(queue);
    queue.consumer = consumer;
  }

  onMessage(queue: ParkedQueue, { pending }: M): void {
    const { endpoint, isTried } = queue;
    queue.messages = pending;
    // This is the last parked message: new messages need not queue behind it.
    if (pending === 0 && !isTried && !isUnhealthy(endpoint, this.#options.now())) endpoint.hasBacklog = false;
  }

  onClosed(queue: ParkedQueue): void {
    this.#options.share.remove(queue);
    queue.consumer = null;
  }

  #queueOf(queueKey: string): ParkedQueue {
    const { untried, tried } = this.#options.admission.endpointFor(endpointKeyOfQueue(queueKey));
    return isTriedQueue(queueKey) ? tried : untried;
  }

  /**
   * Returns the whole list, up to `maxEndpoints` queues. Of a longer list, returns half of `maxEndpoints`, and the next part
   * the next time.
   */
  #nextPart(listed: ReadonlyMap<string, number>): Iterable<[string, number]> {
    const { maxEndpoints } = this.#options.admission;
    if (listed.size <= maxEndpoints) return listed;
    const atOnce = Math.floor(maxEndpoints / 2);
    const from = this.#listIndex % listed.size;
    this.#listIndex = from + atOnce;
    const entries = [...listed];
    return [...entries.slice(from), ...entries.slice(0, from)].slice(0, atOnce);
  }
}
