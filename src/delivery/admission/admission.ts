import type { Wish } from '../../core/capacity/cap-turns.ts';
import type { AttemptKind } from '../../core/capacity/endpoint-limiter.ts';
import { isHostFailure, type LimiterSignal, signalOf } from '../../core/capacity/limiter-signal.ts';
import type { EndpointStateRow } from '../../core/records/endpoint-state.ts';
import type { Target } from '../../core/request/target.ts';
import type { Attempt } from '../../core/retry/attempt.ts';
import { LazyTimer } from '../../runtime/lazy-timer.ts';
import { noteOutcome } from './endpoint-status.ts';
import { GrantedPermit, type PermitOwner } from './granted-permit.ts';
import { NewestWaits } from './newest-waits.ts';
import type { AdmissionOptions } from './options.ts';
import { pullMore } from './parked-queue.ts';
import { PermitRules, rejected } from './permit-rules.ts';
import { SlotAccounting } from './slot-accounting.ts';
import { SlotWaits, type SlotWaitsOptions } from './slot-waits.ts';
import { SplitUrls } from './split-urls.ts';
import {
  type AdmissionRequest,
  kindOf,
  type Permit,
  type Rejected,
  type TrackedEndpoint,
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
  readonly #newest: NewestWaits;
  readonly #urls: SplitUrls;
  readonly #waits: SlotWaits;
  #checkedAt = 0;
  readonly #timer: LazyTimer;
  #closed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#timer = new LazyTimer(CHECK_EVERY_MS, () => this.#checkAll(), { clock: options.clock });
    this.maxEndpoints = options.maxEndpoints;
    this.#slots = new SlotAccounting(options.slots);
    this.#rules = new PermitRules(options, this.#slots);
    const rules = this.#rules;
    const grant: SlotWaitsOptions['grant'] = (...given) => this.#grant(...given);
    this.#waits = new SlotWaits({ rules, grant });
    this.#newest = new NewestWaits({ rules, grant });
    this.#endpoints = new TrackedEndpoints(options, {
      isBusy: (endpoint) => this.#busy.has(endpoint),
      slots: this.#slots,
      onEvicted: (endpoint) => this.#urls.onEvicted(endpoint),
    });
    this.#urls = new SplitUrls(this.#endpoints, options.log);
  }

  /** Messages that wait in their slots. */
  get waiting(): number {
    return this.#waits.waiting + this.#newest.waiting;
  }

  /** True if an attempt began lately. */
  readonly isActive = () => this.#slots.isActive(this.#options.clock.now());

  /**
   * The target with the key of its endpoint now: a URL in a message may be split off from its origin for a while.
   *
   * @param parkedKey Key of the endpoint whose parked queue held the message; null: none.
   */
  targetFor(target: Target, parkedKey: string | null): Target {
    return this.#urls.targetFor(target, parkedKey, this.#options.clock.now());
  }

  /** Grants a permit, waits for one in the message's slot, or rejects. The caller parks a rejected message. */
  admit(target: Target, request: AdmissionRequest): Permit | Rejected | Promise<Permit | Rejected> {
    const { cannotPark } = request;
    if (this.#closed) return { kind: 'noCapacity', reason: STOPPING };
    const now = this.#options.clock.now();
    const endpoint = this.#endpoints.ensure(target);
    const kind = kindOf(request);
    const waiters = waitersOf(endpoint, kind);
    if (waiters.length === 0 && this.#rules.mayStart(endpoint, request, kind, now))
      return this.#grant(endpoint, target, kind, now);
    if (kind === 'fresh' && this.#rules.mayStartExtra(endpoint, now))
      return this.#grant(endpoint, target, kind, now, true);
    const held = { waiting: this.waiting, isAlone: this.#busy.size <= 1 };
    const awaitsProbe = this.#rules.mayAwaitProbe(endpoint, kind, now, held);
    if (!awaitsProbe && (!cannotPark || endpoint.limiter.limits.paused !== null)) {
      const rejection = this.#rules.rejection(endpoint, kind, now, held);
      if (rejection !== null) {
        const mayWait = kind === 'fresh' && this.#rules.mayAwaitExtra(endpoint, now);
        if (!mayWait) return rejected(endpoint, rejection, now);
        this.#watch(endpoint);
        return this.#newest.replace(endpoint, target, now, () => rejected(endpoint, rejection, now));
      }
    }
    this.#watch(endpoint);
    return this.#waits.enqueue(endpoint, { since: now, target, kind, cannotPark, awaitsProbe });
  }

  /** Returns the tracked endpoint. Starts to track the endpoint if this worker does not. */
  endpointFor(endpointKey: string): TrackedEndpoint {
    return this.#endpoints.ensureKey(endpointKey);
  }

  endpoints(): IterableIterator<TrackedEndpoint> {
    return this.#endpoints.values();
  }

  /** True if the endpoint is paused or its circuit breaker is not closed. Then failed messages are parked, not nak'd. */
  isClosedFor(target: Target): boolean {
    const { limiter } = this.#endpoints.ensure(target);
    return limiter.limits.paused !== null || !limiter.breaker.isClosed();
  }

  /** How many messages of one of the endpoint's own queues may be sent now. @param wish Who waits for the permits. */
  capacityFor(endpoint: TrackedEndpoint, kind: AttemptKind = 'parked', wish: Wish = 'message'): number {
    if (this.#closed) return 0;
    const permits = this.#rules.availablePermits(endpoint, kind, this.#options.clock.now(), wish);
    return Math.max(0, permits - waitersOf(endpoint, kind).length);
  }

  /** True if the endpoint takes one attempt at a time. Then first attempts go before retries. */
  isNarrow(endpoint: TrackedEndpoint): boolean {
    return this.#rules.isNarrow(endpoint);
  }

  /** Replaces limits, as operators and settings give them. @param keys Of the endpoints that are concerned; null: all. */
  applyLimits(limitsOf: LimitsOf, keys: ReadonlySet<string> | null = null): void {
    this.#endpoints.applyLimits(limitsOf, keys);
  }

  /** Merges split URLs that are healthy for long, and evicts idle endpoints that no report shows as unhealthy any more. */
  tidy(): void {
    const now = this.#options.clock.now();
    this.#urls.merge(now);
    this.#endpoints.evictIdle(now);
  }

  /** The last reported rows of endpoints that were evicted while they were shown in trouble. Each is returned once. */
  takeEvicted(): EndpointStateRow[] {
    return this.#endpoints.takeEvicted();
  }

  /** Grants no more permits, and rejects every waiting message. */
  close(): void {
    this.#closed = true;
    for (const endpoint of this.#busy) {
      this.#waits.rejectAll(endpoint, STOPPING);
      this.#newest.reject(endpoint);
    }
  }

  #grant(endpoint: TrackedEndpoint, target: Target, kind: AttemptKind, now: number, isExtra = false): Permit {
    const permit = new GrantedPermit(endpoint, target, kind === 'retry', this);
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
    const judged = this.#judge(permit, signal, now);
    if (permit.isRetry) endpoint.retryTurns.onEnded(durationMs, now);
    this.#moveHung();
    const asked = outcome.kind === 'responded' ? (outcome.retryAfterMs ?? 0) : 0;
    const retryAfterMs = Math.min(asked, this.#options.retryAfterMaxMs);
    this.#slots.track(endpoint, () =>
      endpoint.limiter.release(
        permit,
        { signal: judged, durationMs, retryAfterMs },
        now,
        this.#options.random(),
      ),
    );
    this.#waits.admit(endpoint, now);
    pullMore(endpoint);
  }

  onHung(permit: GrantedPermit): void {
    this.#urls.onHung(permit, this.#options.clock.now());
  }

  /** What the attempt means for the endpoint where it began. */
  #judge(permit: GrantedPermit, signal: LimiterSignal, now: number): LimiterSignal {
    this.#urls.onReleased(permit, signal, now);
    const isOfUrl = signal !== 'success' && !isHostFailure(signal) && this.#urls.hasLeft(permit);
    return isOfUrl ? 'ignore' : signal;
  }

  /** Not while a limiter changes: the slots of both endpoints are counted. */
  #moveHung(): void {
    for (const { permit, to } of this.#urls.takeMoves()) {
      const from = permit.endpoint;
      if (permit.place !== 'hung' || from === to) continue;
      const move = () => from.limiter.moveHungTo(to.limiter, permit);
      this.#slots.track(from, () => this.#slots.track(to, move));
      permit.endpoint = to;
      this.#watch(to);
    }
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
      this.#moveHung();
      this.#waits.admit(endpoint, now);
      this.#waits.end(endpoint, now);
      this.#newest.check(endpoint, now);
      if (endpoint.limiter.inFlight === 0 && waitingAt(endpoint) === 0) this.#busy.delete(endpoint);
    }
    if (this.#busy.size === 0) this.#timer.stop();
  }
}
