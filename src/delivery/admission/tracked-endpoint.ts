import type { EndpointLimiter, SlotShare } from '../../core/capacity/endpoint-limiter.ts';
import type { EndpointStateRow, EndpointStatus } from '../../core/records/endpoint-state.ts';
import type { Attempt } from '../../core/retry/attempt.ts';

/** The message that asks for a permit. */
export type AdmissionRequest = {
  /** The message comes from the parked queue of its endpoint. */
  readonly isParkedCopy: boolean;
  /**
   * The message cannot be parked. So it waits, and gets a permit even without capacity, unless an operator has paused the
   * endpoint.
   */
  readonly cannotPark: boolean;
};

/** One attempt may start. The holder calls `release` once, with the result of the attempt. */
export type Permit = { readonly kind: 'permit'; release(attempt: Attempt): void };
export type Rejected = { readonly kind: 'noCapacity'; readonly reason: string };

/** A message that waits in its slot. */
export type Waiter = {
  readonly since: number;
  readonly isParkedCopy: boolean;
  readonly cannotPark: boolean;
  resolve(answer: Permit | Rejected): void;
};

/** Pulls the messages of one queue. */
export interface QueueConsumer {
  /** Messages that were asked for and are about to come. They go before other messages. */
  outstanding(): number;
  /** Pulls more, if there is capacity. */
  pullMore(): void;
  /** Sends no new pulls. Messages that are on their way still arrive. */
  stop(): Promise<void>;
}

/** An endpoint, as this worker knows it. */
export type TrackedEndpoint = {
  readonly key: string;
  /** The origin; null if only the key is known, from the parked queue. */
  url: string | null;
  readonly limiter: EndpointLimiter;
  readonly waiters: Waiter[];
  /** Messages are parked, and new messages queue behind them. */
  hasBacklog: boolean;
  /** The consumer that pulls from the parked queue; null: none does now. */
  consumer: QueueConsumer | null;
  /** `pullMore` is scheduled for the consumer. */
  isWakePending: boolean;
  /** When the last attempt started, on the clock of `AdmissionOptions.clock`. */
  usedAt: number;
  /** The endpoint is evicted: its key may belong to a newer object. */
  isEvicted: boolean;
  /** The most attempts in flight in the current and in the previous window of 10 s. */
  peak: number;
  previousPeak: number;
  /** Slots that other endpoints must leave to this one, by its recent peak; 0 while it does not answer. */
  reservedSlots: number;
  lastError: string | null;
  /** When the last webhook was delivered, in milliseconds since 1970, and how many attempts failed since then. */
  deliveredAt: number;
  failures: number;
  /** The log shows the endpoint as unhealthy or paused. */
  isReported: boolean;
  /** The state at the last check, and when that state began, in milliseconds since 1970. */
  status: EndpointStatus | null;
  since: number;
  /** The row that was last taken for PostgreSQL. */
  lastReported: EndpointStateRow | null;
  /** When the row was taken, on the clock of `AdmissionOptions.clock`. */
  reportedAt: number;
  /** Messages in the parked queue at the last count; null: not counted yet. */
  parked: number | null;
  /** When this worker last parked a message, on the clock of `AdmissionOptions.clock`. */
  parkedAt: number;
};

export function newTrackedEndpoint(
  key: string,
  url: string | null,
  limiter: EndpointLimiter,
  now: number,
): TrackedEndpoint {
  return {
    key,
    url,
    limiter,
    waiters: [],
    hasBacklog: false,
    consumer: null,
    isWakePending: false,
    usedAt: now,
    isEvicted: false,
    peak: 0,
    previousPeak: 0,
    reservedSlots: 0,
    lastError: null,
    deliveredAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    isReported: false,
    status: null,
    since: 0,
    lastReported: null,
    reportedAt: now,
    parked: null,
    parkedAt: Number.NEGATIVE_INFINITY,
  };
}

/** True if the endpoint is paused, does not answer, or answers only with failures. */
export function isUnhealthy({ limiter }: TrackedEndpoint, now: number): boolean {
  return (
    limiter.limits.paused !== null ||
    !limiter.breaker.isClosed() ||
    limiter.responsiveness === 'unresponsive' ||
    limiter.isUnresponsive(now)
  );
}

/** An endpoint without attempts and without parked messages is idle after this long, in milliseconds. */
const EVICT_AFTER_MS = 600_000;

/**
 * True if the endpoint had no attempt and no message for EVICT_AFTER_MS, so that its statistics are outdated. An endpoint is
 * not idle before its open circuit breaker may probe, because a Retry-After may keep the breaker open for longer.
 */
export function isIdle(
  { limiter, waiters, consumer, hasBacklog, parked, usedAt }: TrackedEndpoint,
  now: number,
): boolean {
  const isWanted =
    limiter.inFlight > 0 || waiters.length > 0 || consumer !== null || hasBacklog || (parked ?? 0) > 0;
  const isOpen = !limiter.breaker.isClosed() && !limiter.breaker.isHalfOpen(now);
  return !isWanted && !isOpen && now - usedAt > EVICT_AFTER_MS;
}

/**
 * Makes the consumer of the parked queue pull more. Runs in the next event loop iteration, because the slot is free only then.
 */
export function pullMore(endpoint: TrackedEndpoint): void {
  if (endpoint.consumer === null || endpoint.isWakePending) return;
  endpoint.isWakePending = true;
  setImmediate(() => {
    endpoint.isWakePending = false;
    endpoint.consumer?.pullMore();
  });
}

/** Conditions for a message to wait in its slot. */
type WaitConditions = {
  readonly isParkedCopy: boolean;
  /** The endpoint is slow, and uses all its permits: waiting messages would hold slots that other endpoints need. */
  readonly isSlowest: boolean;
  /** Many untested endpoints have attempts in flight, and many messages wait in slots already. */
  readonly isStarvedByOthers: boolean;
  /**
   * The most slots that attempts and waiting messages of the endpoint may hold together; null: all, since no other endpoint
   * needs them.
   */
  readonly maxHeld: number | null;
};

/** Returns why a message must not wait in its slot for a permit, for a person; null: the message may wait. */
export function rejectionReason(
  { limiter, waiters, hasBacklog }: TrackedEndpoint,
  now: number,
  { isParkedCopy, isSlowest, isStarvedByOthers, maxHeld }: WaitConditions,
): string | null {
  if (limiter.limits.paused !== null) return `paused: ${limiter.limits.paused}`;
  if (!limiter.breaker.isClosed()) return 'the circuit breaker of the endpoint is open';
  if (hasBacklog && !isParkedCopy) return 'earlier messages of the endpoint are parked';
  if (limiter.responsiveness === 'unresponsive' || limiter.isUnresponsive(now))
    return 'the endpoint does not answer';
  if (isSlowest) return 'the endpoint is slow, and uses all its permits';
  if (isStarvedByOthers) return 'too many other endpoints have not answered yet';
  if (maxHeld !== null && limiter.inFlight + waiters.length >= maxHeld)
    return 'attempts and waiting messages of the endpoint hold as many slots as they may';
  return null;
}

/**
 * True if the message has waited PARK_AFTER_MS and the endpoint's own limit, not a lack of slots, holds it back. Growth of the
 * window restarts the wait, because waiting helps then.
 */
export function isWaitOver(
  { limiter }: TrackedEndpoint,
  waiter: Waiter,
  now: number,
  parkAfterMs: number,
  share: SlotShare,
): boolean {
  const since = Math.max(waiter.since, limiter.window.grownAt);
  return now - since >= parkAfterMs && limiter.isSelfLimited(share);
}
