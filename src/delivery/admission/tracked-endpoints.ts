import { isIdle, type TrackedEndpoint } from './tracked-endpoint.ts';

export type TrackedEndpointsOptions = {
  /** Endpoints that are remembered at most, those that hold a slot aside. MAX_TRACKED_ENDPOINTS. */
  readonly max: number;
  /** Whether it has attempts under way, or messages that wait in their slots. */
  isBusy(endpoint: TrackedEndpoint): boolean;
  /** Told of each that is forgotten. */
  onEvicted(endpoint: TrackedEndpoint): void;
};

/** How many are forgotten at once when there are too many: to find them, all are looked at. */
const EVICTED_SHARE = 1 / 8;

/** The endpoints that this worker remembers. One that it has forgotten is met as one never seen before. */
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

  /** Remembers one more: where there are too many, those without trouble that had no attempt for longest make room, then the others. */
  add(endpoint: TrackedEndpoint): void {
    if (this.#byKey.size >= this.#options.max) this.#evictSome();
    this.#byKey.set(endpoint.key, endpoint);
  }

  /** Drops endpoints that nobody has wanted anything of for long, once nobody takes them for troubled any more. */
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
    return endpoint.consumer === null && !this.#options.isBusy(endpoint);
  }

  #evict(endpoint: TrackedEndpoint): void {
    endpoint.isEvicted = true;
    this.#byKey.delete(endpoint.key);
    this.#options.onEvicted(endpoint);
  }
}

function isHealthy({ limiter, hasBacklog, parked }: TrackedEndpoint): boolean {
  return limiter.breaker.isClosed() && !hasBacklog && !parked;
}
