import { isIdle, parkedOf, type TrackedEndpoint } from './tracked-endpoint.ts';

export type TrackedEndpointsOptions = {
  /** The most endpoints that are tracked, not counting endpoints that hold a slot. MAX_TRACKED_ENDPOINTS. */
  readonly max: number;
  /** True if the endpoint has attempts in flight, or messages that wait in slots. */
  isBusy(endpoint: TrackedEndpoint): boolean;
  /** Called for each evicted endpoint. */
  onEvicted(endpoint: TrackedEndpoint): void;
};

/**
 * Share of `max` that is evicted at once. An eviction reads all endpoints, so that evicting one at a time would cost too much.
 */
const EVICTED_SHARE = 1 / 8;

/** The endpoints that this worker tracks. An evicted endpoint is treated as new when its next message comes. */
export class TrackedEndpoints {
  readonly #options: TrackedEndpointsOptions;
  readonly #byKey = new Map<string, TrackedEndpoint>();

  constructor(options: TrackedEndpointsOptions) {
    this.#options = options;
  }

  get(key: string): TrackedEndpoint | undefined {
    return this.#byKey.get(key);
  }

  values(): IterableIterator<TrackedEndpoint> {
    return this.#byKey.values();
  }

  /**
   * Adds an endpoint. If there are too many, evicts healthy endpoints first, and among these the longest unused, then the
   * others.
   */
  add(endpoint: TrackedEndpoint): void {
    if (this.#byKey.size >= this.#options.max) this.#evictSome();
    this.#byKey.set(endpoint.key, endpoint);
  }

  /** Evicts idle endpoints, unless the last report shows them as unhealthy. */
  evictIdle(now: number): void {
    for (const endpoint of this.#byKey.values()) {
      const isReported =
        endpoint.isReported || (endpoint.lastReported !== null && endpoint.lastReported.state !== 'flowing');
      if (this.#isFree(endpoint) && !isReported && isIdle(endpoint, now)) this.#evict(endpoint);
    }
  }

  #evictSome(): void {
    const free = [...this.#byKey.values()].filter((endpoint) => this.#isFree(endpoint));
    free.sort((a, b) => Number(isHealthy(b)) - Number(isHealthy(a)) || a.usedAt - b.usedAt);
    for (const endpoint of free.slice(0, Math.ceil(EVICTED_SHARE * this.#options.max))) this.#evict(endpoint);
  }

  #isFree(endpoint: TrackedEndpoint): boolean {
    return (
      endpoint.untried.consumer === null &&
      endpoint.tried.consumer === null &&
      !this.#options.isBusy(endpoint)
    );
  }

  #evict(endpoint: TrackedEndpoint): void {
    endpoint.isEvicted = true;
    this.#byKey.delete(endpoint.key);
    this.#options.onEvicted(endpoint);
  }
}

function isHealthy(endpoint: TrackedEndpoint): boolean {
  return endpoint.limiter.breaker.isClosed() && !endpoint.hasBacklog && !parkedOf(endpoint);
}
