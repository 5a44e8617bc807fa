import { EndpointLimiter, type EndpointLimits, signalOf } from '../../core/capacity/endpoint-limiter.ts';
import type { Target } from '../../core/request/target.ts';
import { type Attempt, describeFailure, isDelivered } from '../../core/retry/attempt.ts';
import type { AdmissionOptions } from './options.ts';
import { SlotAccounting } from './slot-accounting.ts';
import {
  type AdmissionRequest,
  isUnhealthy,
  isWaitOver,
  newTrackedEndpoint,
  type Permit,
  pullMore,
  type Rejected,
  rejectionReason,
  type TrackedEndpoint,
  type Waiter,
} from './tracked-endpoint.ts';
import { TrackedEndpoints } from './tracked-endpoints.ts';

/** How often it is looked who has waited long enough, and who has fallen silent, in milliseconds. */
const CHECK_EVERY_MS = 25;
/** A pause of this worker that is long enough to be taken for an endpoint's, in milliseconds. */
const STALL_MS = 100;
const STOPPING = 'this worker stops';
const NO_ANSWER = 'it does not answer';

/**
 * The rooms of all endpoints, within the slots of this worker: so a single healthy endpoint gets nearly all of
 * them, and one that hangs leaves the others theirs.
 */
export class Admission {
  /** Endpoints that are remembered at most. */
  readonly maxEndpoints: number;
  readonly #options: AdmissionOptions;
  readonly #endpoints: TrackedEndpoints;
  /** Those with attempts under way, or with messages that wait. */
  readonly #busy = new Set<TrackedEndpoint>();
  readonly #slots: SlotAccounting;
  #limitsOf: (endpointKey: string) => EndpointLimits;
  /** Messages that wait in their slots. */
  waiting = 0;
  #checkedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.maxEndpoints = options.maxEndpoints;
    this.#slots = new SlotAccounting(options.slots);
    this.#limitsOf = () => options.limits;
    this.#endpoints = new TrackedEndpoints({
      max: options.maxEndpoints,
      isBusy: (endpoint) => this.#busy.has(endpoint),
      onEvicted: (endpoint) => this.#slots.remove(endpoint),
    });
  }

  /** Lets in, lets wait in its slot, or turns away: then the message is to be parked. */
  admit(target: Target, request: AdmissionRequest): Permit | Rejected | Promise<Permit | Rejected> {
    const { isParkedCopy, cannotPark } = request;
    if (this.#closed) return { kind: 'noCapacity', reason: STOPPING };
    const now = this.#options.now();
    const endpoint = this.#endpointFor(target.endpointKey, target.origin);
    const isInTurn = !endpoint.hasBacklog || isParkedCopy;
    const outstanding = isParkedCopy ? 0 : (endpoint.consumer?.outstanding() ?? 0);
    if (isInTurn && endpoint.waiters.length === 0 && this.#availablePermits(endpoint, now) > outstanding)
      return this.#grant(endpoint, now);
    if (!cannotPark || endpoint.limiter.limits.paused !== null) {
      const reason = rejectionReason(endpoint, now, {
        isParkedCopy,
        isSlowest: this.#isSlowest(endpoint),
        isStarvedByOthers: this.#isStarvedByOthers(endpoint),
        maxHeld: this.#busy.size > 1 ? this.#options.slots / 2 : null,
      });
      if (reason !== null) return this.#reject(endpoint, reason, now);
    }
    return new Promise((resolve) => {
      endpoint.waiters.push({ since: now, isParkedCopy, cannotPark, resolve });
      this.waiting++;
      this.#watch(endpoint);
    });
  }

  /** An endpoint, tracked from now on if it was not. */
  endpointFor(endpointKey: string): TrackedEndpoint {
    return this.#endpointFor(endpointKey, null);
  }

  endpoints(): IterableIterator<TrackedEndpoint> {
    return this.#endpoints.values();
  }

  /** Whether an endpoint is left alone now: what fails there waits in its queue. */
  isClosedFor({ endpointKey, origin }: Target): boolean {
    const { limiter } = this.#endpointFor(endpointKey, origin);
    return limiter.limits.paused !== null || !limiter.breaker.isClosed();
  }

  /** How many messages of its own queue this endpoint has room for now. */
  capacityFor(endpoint: TrackedEndpoint): number {
    if (this.#closed) return 0;
    return Math.max(0, this.#availablePermits(endpoint, this.#options.now()) - endpoint.waiters.length);
  }

  /** What the operators, and the settings, allow from now on. */
  applyLimits(limitsOf: (endpointKey: string) => EndpointLimits): void {
    for (const endpoint of this.#endpoints.values()) endpoint.limiter.applyLimits(limitsOf(endpoint.key));
    this.#limitsOf = limitsOf;
  }

  /** Drops endpoints that nobody has wanted anything of for long, once nobody takes them for troubled any more. */
  evictIdle(): void {
    this.#endpoints.evictIdle(this.#options.now());
  }

  /** Nothing begins any more; what waits is turned away. */
  close(): void {
    this.#closed = true;
    for (const endpoint of this.#busy) {
      for (const waiter of endpoint.waiters.splice(0))
        this.#answer(waiter, { kind: 'noCapacity', reason: STOPPING });
    }
  }

  #endpointFor(key: string, url: string | null): TrackedEndpoint {
    const known = this.#endpoints.get(key);
    if (known !== undefined) {
      known.url ??= url;
      return known;
    }
    const endpoint = newTrackedEndpoint(key, url, new EndpointLimiter(this.#options), this.#options.now());
    endpoint.limiter.applyLimits(this.#limitsOf(key));
    this.#endpoints.add(endpoint);
    return endpoint;
  }

  #availablePermits(endpoint: TrackedEndpoint, now: number): number {
    return endpoint.limiter.availablePermits(now, this.#slots.shareFor(endpoint));
  }

  #grant(endpoint: TrackedEndpoint, now: number): Permit {
    let isProbe = false;
    this.#slots.track(endpoint, () => {
      isProbe = endpoint.limiter.acquire(now);
    });
    endpoint.usedAt = now;
    this.#watch(endpoint);
    return { kind: 'permit', release: (attempt) => this.#release(endpoint, attempt, isProbe) };
  }

  #release(endpoint: TrackedEndpoint, attempt: Attempt, isProbe: boolean): void {
    const now = this.#options.now();
    const { outcome, durationMs } = attempt;
    endpoint.lastError = describeFailure(outcome) ?? endpoint.lastError;
    // A 404 is an answer, and yet no delivery.
    if (isDelivered(outcome)) {
      endpoint.deliveredAt = attempt.startedAt + durationMs;
      endpoint.failures = 0;
    } else if (signalOf(outcome) !== 'ignore') endpoint.failures++;
    const retryAfterMs = outcome.kind === 'responded' ? (outcome.retryAfterMs ?? 0) : 0;
    this.#slots.track(endpoint, () =>
      endpoint.limiter.release(
        {
          signal: signalOf(outcome),
          isProbe,
          durationMs,
          retryAfterMs: Math.min(retryAfterMs, this.#options.retryAfterMaxMs),
        },
        now,
        this.#options.random(),
      ),
    );
    this.#admitWaiters(endpoint, now);
    pullMore(endpoint);
  }

  #admitWaiters(endpoint: TrackedEndpoint, now: number): void {
    const { waiters } = endpoint;
    while (waiters.length > 0 && this.#availablePermits(endpoint, now) > 0)
      this.#answer(waiters.shift()!, this.#grant(endpoint, now));
  }

  #answer({ resolve }: Waiter, answer: Permit | Rejected): void {
    this.waiting--;
    resolve(answer);
  }

  #isSlowest({ limiter }: TrackedEndpoint): boolean {
    // Else it may be this worker that is too busy to be quicker.
    return limiter.isSlow() && !this.#options.isBusy();
  }

  #isStarvedByOthers(endpoint: TrackedEndpoint): boolean {
    return (
      this.waiting >= this.#options.slots / 8 &&
      endpoint.limiter.isStarvedByOthers(this.#slots.shareFor(endpoint))
    );
  }

  /** Where it is not just a moment's crowd, those that come next go behind this one. */
  #reject(endpoint: TrackedEndpoint, reason: string, now: number): Rejected {
    if (isUnhealthy(endpoint, now) || this.#isSlowest(endpoint)) endpoint.hasBacklog = true;
    return { kind: 'noCapacity', reason };
  }

  #watch(endpoint: TrackedEndpoint): void {
    this.#busy.add(endpoint);
    if (this.#timer !== undefined) return;
    this.#checkedAt = this.#options.now();
    this.#timer = setInterval(() => this.#checkAll(), CHECK_EVERY_MS);
  }

  #checkAll(): void {
    const now = this.#options.now();
    const stalledMs = now - this.#checkedAt - CHECK_EVERY_MS;
    this.#checkedAt = now;
    this.#slots.rotate(now, this.#endpoints.values());
    for (const endpoint of this.#busy) {
      if (stalledMs > STALL_MS) endpoint.limiter.shiftClock(stalledMs);
      this.#slots.track(endpoint, () => endpoint.limiter.refresh(now));
      this.#admitWaiters(endpoint, now);
      this.#endWaits(endpoint, now);
      if (endpoint.limiter.inFlight === 0 && endpoint.waiters.length === 0) this.#busy.delete(endpoint);
    }
    if (this.#busy.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #endWaits(endpoint: TrackedEndpoint, now: number): void {
    const { unresponsiveAfterMs } = this.#options;
    const isUnhealthyNow = isUnhealthy(endpoint, now);
    for (;;) {
      // In the order of their coming: the first one has waited longest.
      const [first] = endpoint.waiters;
      if (first === undefined) return;
      const share = this.#slots.shareFor(endpoint);
      if (!isUnhealthyNow && !isWaitOver(endpoint, first, now, unresponsiveAfterMs, share)) return;
      endpoint.waiters.shift();
      if (first.cannotPark && endpoint.limiter.limits.paused === null) {
        this.#answer(first, this.#grant(endpoint, now));
        continue;
      }
      // Those that come next would wait in vain, too.
      endpoint.hasBacklog = true;
      const reason = isUnhealthyNow ? NO_ANSWER : 'it is as busy as it can be';
      this.#answer(first, { kind: 'noCapacity', reason });
    }
  }
}
