import { EndpointLimiter, type EndpointLimits, signalOf } from '../../core/capacity/endpoint-limiter.ts';
import type { Target } from '../../core/request/target.ts';
import { type Attempt, describeFailure, isDelivered } from '../../core/retry/attempt.ts';
import { LazyTimer } from '../../runtime/lazy-timer.ts';
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

/** Interval of the check for messages that have waited long enough and for unresponsive endpoints, in milliseconds. */
const CHECK_EVERY_MS = 25;
/**
 * A check may be late by this much, in milliseconds. After a longer stall, the limiters' clocks skip it: no endpoint caused it.
 */
const STALL_MS = 100;
const STOPPING = 'this worker is stopping';
const NO_ANSWER = 'the endpoint does not answer';

/** Grants permits, so that one healthy endpoint gets nearly all slots, and an endpoint that hangs leaves slots to the others. */
export class Admission {
  /** The most endpoints that this worker tracks. */
  readonly maxEndpoints: number;
  readonly #options: AdmissionOptions;
  readonly #endpoints: TrackedEndpoints;
  /** Endpoints with attempts in flight, or with messages that wait in slots. */
  readonly #busy = new Set<TrackedEndpoint>();
  readonly #slots: SlotAccounting;
  #limitsOf: (endpointKey: string) => EndpointLimits;
  /** Messages that wait in their slots. */
  waiting = 0;
  #checkedAt = 0;
  readonly #timer: LazyTimer;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#timer = new LazyTimer(CHECK_EVERY_MS, () => this.#checkAll(), { clock: options.clock });
    this.maxEndpoints = options.maxEndpoints;
    this.#slots = new SlotAccounting(options.slots);
    this.#limitsOf = () => options.limits;
    this.#endpoints = new TrackedEndpoints({
      max: options.maxEndpoints,
      isBusy: (endpoint) => this.#busy.has(endpoint),
      onEvicted: (endpoint) => this.#slots.remove(endpoint),
    });
  }

  /** Grants a permit, waits for one in the message's slot, or rejects. The caller parks a rejected message. */
  admit(target: Target, request: AdmissionRequest): Permit | Rejected | Promise<Permit | Rejected> {
    const { isParkedCopy, cannotPark } = request;
    if (this.#closed) return { kind: 'noCapacity', reason: STOPPING };
    const now = this.#options.clock.now();
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

  /** Returns the tracked endpoint. Starts to track the endpoint if this worker does not. */
  endpointFor(endpointKey: string): TrackedEndpoint {
    return this.#endpointFor(endpointKey, null);
  }

  endpoints(): IterableIterator<TrackedEndpoint> {
    return this.#endpoints.values();
  }

  /** True if the endpoint is paused or its circuit breaker is not closed. Then failed messages are parked, not nak'd. */
  isClosedFor({ endpointKey, origin }: Target): boolean {
    const { limiter } = this.#endpointFor(endpointKey, origin);
    return limiter.limits.paused !== null || !limiter.breaker.isClosed();
  }

  /** How many messages of the endpoint's own queue may be sent now. */
  capacityFor(endpoint: TrackedEndpoint): number {
    if (this.#closed) return 0;
    return Math.max(0, this.#availablePermits(endpoint, this.#options.clock.now()) - endpoint.waiters.length);
  }

  /** Replaces the limits of all endpoints, as operators and settings give them. */
  applyLimits(limitsOf: (endpointKey: string) => EndpointLimits): void {
    for (const endpoint of this.#endpoints.values()) endpoint.limiter.applyLimits(limitsOf(endpoint.key));
    this.#limitsOf = limitsOf;
  }

  /** Evicts idle endpoints that no report shows as unhealthy any more. */
  evictIdle(): void {
    this.#endpoints.evictIdle(this.#options.clock.now());
  }

  /** Grants no more permits, and rejects every waiting message. */
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
    const limiter = new EndpointLimiter(this.#options);
    limiter.applyLimits(this.#limitsOf(key));
    const endpoint = newTrackedEndpoint(key, url, limiter, this.#options.clock.now());
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
    const now = this.#options.clock.now();
    const { outcome, durationMs } = attempt;
    endpoint.lastError = describeFailure(outcome) ?? endpoint.lastError;
    // A 404 is an answer, but does not deliver the webhook.
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
    // While this worker is busy, the slowness may be its own.
    return limiter.isSlow() && !this.#options.isBusy();
  }

  #isStarvedByOthers(endpoint: TrackedEndpoint): boolean {
    return (
      this.waiting >= this.#options.slots / 8 &&
      endpoint.limiter.isStarvedByOthers(this.#slots.shareFor(endpoint))
    );
  }

  /** If the endpoint is unhealthy or slow, later messages must queue behind this one. A short peak does not cause a backlog. */
  #reject(endpoint: TrackedEndpoint, reason: string, now: number): Rejected {
    if (isUnhealthy(endpoint, now) || this.#isSlowest(endpoint)) endpoint.hasBacklog = true;
    return { kind: 'noCapacity', reason };
  }

  #watch(endpoint: TrackedEndpoint): void {
    this.#busy.add(endpoint);
    if (this.#timer.isRunning) return;
    this.#checkedAt = this.#options.clock.now();
    this.#timer.start();
  }

  #checkAll(): void {
    const now = this.#options.clock.now();
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
    if (this.#busy.size === 0) this.#timer.stop();
  }

  #endWaits(endpoint: TrackedEndpoint, now: number): void {
    const { unresponsiveAfterMs } = this.#options;
    const isUnhealthyNow = isUnhealthy(endpoint, now);
    for (;;) {
      // Waiters are in arrival order: the first waiter has waited longest.
      const [first] = endpoint.waiters;
      if (first === undefined) return;
      const share = this.#slots.shareFor(endpoint);
      if (!isUnhealthyNow && !isWaitOver(endpoint, first, now, unresponsiveAfterMs, share)) return;
      endpoint.waiters.shift();
      if (first.cannotPark && endpoint.limiter.limits.paused === null) {
        this.#answer(first, this.#grant(endpoint, now));
        continue;
      }
      // Later messages would wait in vain, too: they queue behind this one.
      endpoint.hasBacklog = true;
      const reason = isUnhealthyNow ? NO_ANSWER : 'the endpoint had no permit within PARK_AFTER_MS';
      this.#answer(first, { kind: 'noCapacity', reason });
    }
  }
}
