import type { Admission } from '../admission/admission.ts';
import { isUnhealthy, type QueueConsumer, type TrackedEndpoint } from '../admission/tracked-endpoint.ts';
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
 * The parked queues of endpoints, taken as the endpoint limiters allow. Notes on each endpoint how many messages are parked
 * for it, so that new messages are parked behind them.
 */
export class ParkedKind<M extends { readonly pending: number }>
  implements QueueKind<M, TrackedEndpoint, ParkedQueueFacts>
{
  readonly policy: QueuePolicy<ParkedQueueFacts>;
  readonly #options: ParkedKindOptions;
  /** Index at which the next part starts, if a list is longer than `maxEndpoints`. */
  #listIndex = 0;

  constructor(options: ParkedKindOptions) {
    this.#options = options;
    this.policy = parkedPolicy(options.maxOpenQueues);
  }

  facts(endpoint: TrackedEndpoint): ParkedQueueFacts {
    const { admission, now } = this.#options;
    return {
      capacity: admission.capacityFor(endpoint),
      isUnhealthy: isUnhealthy(endpoint, now()),
      parked: endpoint.parked ?? 0,
    };
  }

  available(endpoint: TrackedEndpoint): number {
    return this.#options.share.quotaFor(endpoint);
  }

  isTracked(endpoint: TrackedEndpoint): boolean {
    return !endpoint.isEvicted;
  }

  onParked(endpointKey: string): TrackedEndpoint {
    const endpoint = this.#options.admission.endpointFor(endpointKey);
    endpoint.parked = (endpoint.parked ?? 0) + 1;
    endpoint.parkedAt = this.#options.now();
    return endpoint;
  }

  onListed(listed: ReadonlyMap<string, number>, startedAt: number): Iterable<TrackedEndpoint> {
    const { admission } = this.#options;
    const holding: TrackedEndpoint[] = [];
    for (const [key, count] of this.#nextPart(listed)) {
      const endpoint = admission.endpointFor(key);
      const wasEmpty = endpoint.parked === null || endpoint.parked === 0;
      endpoint.parked = count;
      if (count >= SMALL_BACKLOG) endpoint.hasBacklog = true;
      // Messages may be parked because the endpoint is down. So one message goes first, as a probe.
      if (wasEmpty && endpoint.limiter.responsiveness === 'untested' && endpoint.limiter.inFlight === 0)
        endpoint.limiter.breaker.halfOpen(startedAt);
      holding.push(endpoint);
    }
    for (const endpoint of admission.endpoints()) {
      if (!this.isEmpty(endpoint, listed, startedAt)) continue;
      endpoint.parked = 0;
      endpoint.hasBacklog = false;
    }
    return holding;
  }

  isEmpty(
    { key, parkedAt }: TrackedEndpoint,
    listed: ReadonlyMap<string, number>,
    startedAt: number,
  ): boolean {
    return !listed.has(key) && parkedAt < startedAt;
  }

  onOpened(endpoint: TrackedEndpoint, consumer: QueueConsumer): void {
    this.#options.share.add(endpoint);
    endpoint.consumer = consumer;
  }

  onMessage(endpoint: TrackedEndpoint, { pending }: M): void {
    endpoint.parked = pending;
    // This is the last parked message: new messages need not queue behind it.
    if (pending === 0 && !isUnhealthy(endpoint, this.#options.now())) endpoint.hasBacklog = false;
  }

  onClosed(endpoint: TrackedEndpoint): void {
    this.#options.share.remove(endpoint);
    endpoint.consumer = null;
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
