import { EndpointLimiter } from '../../core/capacity/endpoint-limiter.ts';
import type { EndpointLimits } from '../../core/capacity/endpoint-limits.ts';
import type { FailureRun } from '../../core/capacity/failure-run.ts';
import { Origin } from '../../core/capacity/origin.ts';
import type { EndpointStateRow } from '../../core/records/endpoint-state.ts';
import { endpointKey, endpointUrlOf, type Target } from '../../core/request/target.ts';
import type { AdmissionOptions } from './options.ts';
import type { SlotAccounting } from './slot-accounting.ts';
import { isIdle, newTrackedEndpoint, parkedOf, type TrackedEndpoint } from './tracked-endpoint.ts';

/** The limits of an endpoint. `originKey`: null if only the key of the endpoint is known. `isSplit`: it is a URL split off from it. */
export type LimitsOf = (key: string, originKey: string | null, isSplit: boolean) => EndpointLimits;

type EndpointUse = {
  /** True if the endpoint has attempts in flight, or messages that wait in slots. */
  isBusy(endpoint: TrackedEndpoint): boolean;
  /** Told of each endpoint that was not tracked before, and of each evicted one. */
  readonly slots: Pick<SlotAccounting, 'onMet' | 'remove'>;
  onEvicted(endpoint: TrackedEndpoint): void;
};

/**
 * Share of `maxEndpoints` that is evicted at once. An eviction reads all endpoints, so that evicting one at a time would cost too much.
 */
const EVICTED_SHARE = 1 / 8;
/** The most rows that wait to be corrected. PostgreSQL deletes the rows of further ones a day after they were written. */
const MAX_EVICTED = 10_000;

/** The endpoints that this worker tracks. An evicted endpoint is treated as new when its next message comes. */
export class TrackedEndpoints {
  readonly #options: AdmissionOptions;
  readonly #use: EndpointUse;
  readonly #byKey = new Map<string, TrackedEndpoint>();
  readonly #evicted: EndpointStateRow[] = [];
  readonly #origins = new Map<string, Origin>();
  #limitsOf: LimitsOf;

  constructor(options: AdmissionOptions, use: EndpointUse) {
    this.#options = options;
    this.#use = use;
    this.#limitsOf = () => options.limits;
  }

  /**
   * Returns the endpoint of the target. Starts to track it if this worker does not.
   *
   * @param run What is known of a new endpoint already.
   */
  ensure(target: Target, run?: FailureRun): TrackedEndpoint {
    const endpoint = this.ensureKey(target.endpointKey, run);
    endpoint.url ??= endpointUrlOf(target);
    if (endpoint.origin?.url !== target.origin) this.#join(endpoint, target);
    return endpoint;
  }

  /** As `ensure`, if only the key is known. */
  ensureKey(key: string, run?: FailureRun): TrackedEndpoint {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const limiter = new EndpointLimiter(this.#options, run);
    limiter.applyLimits(this.#limitsOf(key, null, false));
    const endpoint = newTrackedEndpoint(key, limiter, this.#options.clock.now());
    this.#add(endpoint);
    this.#use.slots.onMet(endpoint);
    return endpoint;
  }

  values(): IterableIterator<TrackedEndpoint> {
    return this.#byKey.values();
  }

  /** Replaces the limits of the endpoints with these keys (null: of all), and of those that are tracked later. */
  applyLimits(limitsOf: LimitsOf, keys: ReadonlySet<string> | null): void {
    for (const key of keys ?? this.#byKey.keys()) {
      const endpoint = this.#byKey.get(key);
      if (endpoint === undefined) continue;
      const { origin, limiter } = endpoint;
      limiter.applyLimits(limitsOf(key, origin?.key ?? null, limiter.breaker.capOwner === 'split'));
    }
    this.#limitsOf = limitsOf;
  }

  /**
   * Adds an endpoint. If there are too many, evicts healthy endpoints first, and among these the longest unused, then the
   * others.
   */
  #add(endpoint: TrackedEndpoint): void {
    if (this.#byKey.size >= this.#options.maxEndpoints) this.#evictSome();
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
    for (const endpoint of free.slice(0, Math.ceil(EVICTED_SHARE * this.#options.maxEndpoints)))
      this.#evict(endpoint);
  }

  #isFree(endpoint: TrackedEndpoint): boolean {
    return (
      endpoint.untried.consumer === null && endpoint.tried.consumer === null && !this.#use.isBusy(endpoint)
    );
  }

  /** The last reported rows of endpoints that were evicted while they were shown in trouble. Each is returned once. */
  takeEvicted(): EndpointStateRow[] {
    return this.#evicted.splice(0);
  }

  #evict(endpoint: TrackedEndpoint): void {
    endpoint.isEvicted = true;
    const { lastReported } = endpoint;
    if (lastReported !== null && lastReported.state !== 'flowing' && this.#evicted.length < MAX_EVICTED)
      this.#evicted.push(lastReported);
    this.#byKey.delete(endpoint.key);
    this.#use.slots.remove(endpoint);
    this.#leave(endpoint);
    this.#use.onEvicted(endpoint);
  }

  /** The URL of a row may have moved to another origin. */
  #join(endpoint: TrackedEndpoint, { origin: url, hostname, unit }: Target): void {
    this.#leave(endpoint);
    const origin = this.#origins.get(url) ?? new Origin(url, endpointKey(url, hostname));
    this.#origins.set(url, origin);
    origin.endpoints++;
    endpoint.origin = origin;
    const { key, limiter } = endpoint;
    const isSplit = unit?.originKey !== undefined;
    limiter.breaker.origin = origin;
    limiter.breaker.capOwner = isSplit ? 'split' : key === origin.key ? 'origin' : 'own';
    limiter.applyLimits(this.#limitsOf(key, origin.key, isSplit));
  }

  #leave({ origin }: TrackedEndpoint): void {
    if (origin !== null && --origin.endpoints === 0) this.#origins.delete(origin.url);
  }
}

function isHealthy(endpoint: TrackedEndpoint): boolean {
  return endpoint.limiter.breaker.isClosed() && !endpoint.hasBacklog && !parkedOf(endpoint);
}
