import type { AttemptKind } from '../../core/capacity/endpoint-limiter.ts';
import { signalOf } from '../../core/capacity/limiter-signal.ts';
import type { Target } from '../../core/request/target.ts';
import type { Attempt } from '../../core/retry/attempt.ts';
import { LazyTimer } from '../../runtime/lazy-timer.ts';
import { noteOutcome } from './endpoint-status.ts';
import { GrantedPermit, type PermitOwner } from './granted-permit.ts';
import type { AdmissionOptions } from './options.ts';
import { pullMore } from './parked-queue.ts';
import { PermitRules, type Rejection } from './permit-rules.ts';
import { SlotAccounting } from './slot-accounting.ts';
import {
  type AdmissionRequest,
  isUnhealthy,
  kindOf,
  type Permit,
  type Rejected,
  type TrackedEndpoint,
  type Waiter,
  waitersOf,
  waitingAt,
} from './tracked-endpoint.ts';
import { type LimitsOf, TrackedEndpoints } from './tracked-endpoints.ts';

/** Interval of the check for messages that have waited long enough and for unresponsive endpoints, in milliseconds. */
const CHECK_EVERY_MS = 25;
/**
 * A check may be late by this much, in milliseconds. After a longer stall, the limiters' clocks skip it: no endpoint caused it.
 */
const STALL_MS = 100;
const STOPPING = 'this worker is stopping';
const NO_ANSWER = 'the endpoint does not answer';

/** Grants permits, so that one healthy endpoint gets nearly all slots, and an endpoint that hangs leaves slots to the others. */
export class Admission implements PermitOwner {
  /** The most endpoints that this worker tracks. */
  readonly maxEndpoints: number;
  readonly #options: AdmissionOptions;
  readonly #endpoints: TrackedEndpoints;
  /** Endpoints with attempts in flight, or with messages that wait in slots. */
  readonly #busy = new Set<TrackedEndpoint>();
  readonly #slots: SlotAccounting;
  readonly #rules: PermitRules;
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
    this.#rules = new PermitRules(options, this.#slots);
    this.#endpoints = new TrackedEndpoints(options, {
      isBusy: (endpoint) => this.#busy.has(endpoint),
      slots: this.#slots,
    });
  }

  /** Grants a permit, waits for one in the message's slot, or rejects. The caller parks a rejected message. */
  admit(target: Target, request: AdmissionRequest): Permit | Rejected | Promise<Permit | Rejected> {
    const { cannotPark } = request;
    if (this.#closed) return { kind: 'noCapacity', reason: STOPPING };
    const now = this.#options.clock.now();
    const endpoint = this.#endpoints.ensure(target.endpointKey, target.origin);
    const kind = kindOf(request);
    const waiters = waitersOf(endpoint, kind);
    if (waiters.length === 0 && this.#rules.mayStart(endpoint, request, kind, now))
      return this.#grant(endpoint, kind, now);
    if (kind === 'fresh' && this.#rules.mayStartExtra(endpoint, now))
      return this.#grant(endpoint, kind, now, true);
    const held = { waiting: this.waiting, isAlone: this.#busy.size <= 1 };
    const awaitsProbe = this.#rules.mayAwaitProbe(endpoint, kind, now, held);
    if (!awaitsProbe && (!cannotPark || endpoint.limiter.limits.paused !== null)) {
      const rejection = this.#rules.rejection(endpoint, kind, now, held);
      if (rejection !== null) {
        const mayWait = kind === 'fresh' && this.#rules.mayAwaitExtra(endpoint, now);
        return mayWait ? this.#awaitExtra(endpoint, rejection, now) : rejected(endpoint, rejection);
      }
    }
    return new Promise((resolve) => {
      waiters.push({ since: now, kind, cannotPark, awaitsProbe, resolve });
      this.waiting++;
      this.#watch(endpoint);
    });
  }

  /**
   * Only the message that arrived last waits for an extra attempt. An earlier one is parked, and has its turn there: among many
   * that arrived before, messages that fail would take every extra attempt.
   */
  #awaitExtra(endpoint: TrackedEndpoint, rejection: Rejection, now: number): Promise<Permit | Rejected> {
    this.#rejectNewest(endpoint);
    return new Promise((resolve) => {
      endpoint.newest = { since: now, resolve, reject: () => resolve(rejected(endpoint, rejection)) };
      this.waiting++;
      this.#watch(endpoint);
    });
  }

  /** Returns the tracked endpoint. Starts to track the endpoint if this worker does not. */
  endpointFor(endpointKey: string): TrackedEndpoint {
    return this.#endpoints.ensure(endpointKey, null);
  }

  endpoints(): IterableIterator<TrackedEndpoint> {
    return this.#endpoints.values();
  }

  /** True if the endpoint is paused or its circuit breaker is not closed. Then failed messages are parked, not nak'd. */
  isClosedFor({ endpointKey, origin }: Target): boolean {
    const { limiter } = this.#endpoints.ensure(endpointKey, origin);
    return limiter.limits.paused !== null || !limiter.breaker.isClosed();
  }

  /** How many messages of one of the endpoint's own queues may be sent now. */
  capacityFor(endpoint: TrackedEndpoint, kind: AttemptKind = 'parked'): number {
    if (this.#closed) return 0;
    const permits = this.#rules.availablePermits(endpoint, kind, this.#options.clock.now());
    return Math.max(0, permits - waitersOf(endpoint, kind).length);
  }

  /** Replaces limits, as operators and settings give them. @param keys Of the endpoints that are concerned; null: all. */
  applyLimits(limitsOf: LimitsOf, keys: ReadonlySet<string> | null = null): void {
    this.#endpoints.applyLimits(limitsOf, keys);
  }

  /** Evicts idle endpoints that no report shows as unhealthy any more. */
  evictIdle(): void {
    this.#endpoints.evictIdle(this.#options.clock.now());
  }

  /** Grants no more permits, and rejects every waiting message. */
  close(): void {
    this.#closed = true;
    for (const endpoint of this.#busy) {
      for (const waiter of [...endpoint.waiters.splice(0), ...endpoint.waitingRetries.splice(0)])
        this.#answer(waiter, { kind: 'noCapacity', reason: STOPPING });
      this.#rejectNewest(endpoint);
    }
  }

  #grant(endpoint: TrackedEndpoint, kind: AttemptKind, now: number, isExtra = false): Permit {
    const permit = new GrantedPermit(endpoint, kind === 'retry', this);
    this.#slots.trackStart(endpoint, now, () => endpoint.limiter.acquire(permit, now, isExtra));
    endpoint.usedAt = now;
    this.#watch(endpoint);
    return permit;
  }

  onReleased(permit: GrantedPermit, attempt: Attempt): void {
    const now = this.#options.clock.now();
    const { endpoint } = permit;
    const { outcome, durationMs } = attempt;
    const signal = signalOf(outcome);
    noteOutcome(endpoint, attempt, signal);
    const asked = outcome.kind === 'responded' ? (outcome.retryAfterMs ?? 0) : 0;
    const retryAfterMs = Math.min(asked, this.#options.retryAfterMaxMs);
    this.#slots.track(endpoint, () =>
      endpoint.limiter.release(permit, { signal, durationMs, retryAfterMs }, now, this.#options.random()),
    );
    this.#admitWaiters(endpoint, now);
    pullMore(endpoint);
  }

  #admitWaiters(endpoint: TrackedEndpoint, now: number): void {
    for (const waiters of [endpoint.waiters, endpoint.waitingRetries]) {
      while (waiters.length > 0) {
        const { kind } = waiters[0]!;
        const hasPermit = this.#rules.availablePermits(endpoint, kind, now) > 0;
        if (!hasPermit && (kind !== 'fresh' || !this.#rules.mayStartExtra(endpoint, now))) break;
        this.#answer(waiters.shift()!, this.#grant(endpoint, kind, now, !hasPermit));
      }
    }
  }

  #admitNewest(endpoint: TrackedEndpoint, now: number): void {
    const { newest } = endpoint;
    if (newest === null) return;
    if (this.#rules.mayStartExtra(endpoint, now)) {
      endpoint.newest = null;
      this.waiting--;
      newest.resolve(this.#grant(endpoint, 'fresh', now, true));
    } else if (this.#rules.isExtraWaitOver(endpoint, newest, now)) this.#rejectNewest(endpoint);
  }

  #rejectNewest(endpoint: TrackedEndpoint): void {
    const { newest } = endpoint;
    if (newest === null) return;
    endpoint.newest = null;
    this.waiting--;
    newest.reject();
  }

  #answer({ resolve }: Waiter, answer: Permit | Rejected): void {
    this.waiting--;
    resolve(answer);
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
      this.#endWaits(endpoint, endpoint.waiters, now);
      this.#endWaits(endpoint, endpoint.waitingRetries, now);
      this.#admitNewest(endpoint, now);
      if (endpoint.limiter.inFlight === 0 && waitingAt(endpoint) === 0) this.#busy.delete(endpoint);
    }
    if (this.#busy.size === 0) this.#timer.stop();
  }

  #endWaits(endpoint: TrackedEndpoint, waiters: Waiter[], now: number): void {
    const { limiter } = endpoint;
    const isUnhealthyNow = isUnhealthy(endpoint, now);
    for (;;) {
      // Waiters are in arrival order: the first waiter has waited longest.
      const [first] = waiters;
      if (first === undefined || !this.#rules.isWaitOver(endpoint, first, isUnhealthyNow, now)) return;
      waiters.shift();
      if (first.cannotPark && limiter.limits.paused === null) {
        this.#answer(first, this.#grant(endpoint, first.kind, now));
        continue;
      }
      // Later messages would wait in vain, too: they queue behind this one.
      if (first.kind !== 'retry') endpoint.hasBacklog = true;
      const reason = isUnhealthyNow ? NO_ANSWER : 'the endpoint had no permit within PARK_AFTER_MS';
      this.#answer(first, { kind: 'noCapacity', reason });
    }
  }
}

function rejected(endpoint: TrackedEndpoint, { reason, causesBacklog }: Rejection): Rejected {
  endpoint.hasBacklog ||= causesBacklog;
  return { kind: 'noCapacity', reason };
}
