import type { EndpointLimiter, SlotShare } from '../../core/capacity/endpoint-limiter.ts';
import type { EndpointStateRow, EndpointStatus } from '../../core/records/endpoint-state.ts';
import type { Attempt } from '../../core/retry/attempt.ts';

/** Who wants in. */
export type AdmissionRequest = {
  /** It comes out of its endpoint's own queue. */
  readonly isParkedCopy: boolean;
  /** It cannot be parked, so it waits, and gets in whatever its endpoint bears, unless an operator has paused it. */
  readonly cannotPark: boolean;
};

/** An attempt may begin; whoever gets it calls `left` once, with what became of it. */
export type Permit = { readonly kind: 'permit'; release(attempt: Attempt): void };
export type Rejected = { readonly kind: 'noCapacity'; readonly reason: string };

/** A message that waits in its slot. */
export type Waiter = {
  readonly since: number;
  readonly isParkedCopy: boolean;
  readonly cannotPark: boolean;
  resolve(answer: Permit | Rejected): void;
};

/** The messages of one queue, being pulled. */
export interface QueueConsumer {
  /** Asked for, and about to come: they go before others. */
  outstanding(): number;
  /** Tells that there may be room for more. */
  pullMore(): void;
  /** No new pulls; what is on its way still arrives. */
  stop(): Promise<void>;
}

/** An endpoint, as this worker knows it. */
export type TrackedEndpoint = {
  readonly key: string;
  /** Its origin; null where only its key is known, from its queue. */
  url: string | null;
  readonly limiter: EndpointLimiter;
  readonly waiters: Waiter[];
  /** Messages wait in its queue, and those that come now go behind them. */
  hasBacklog: boolean;
  /** What pulls from its queue now. */
  consumer: QueueConsumer | null;
  /** It is about to be told of room. */
  isWakePending: boolean;
  /** When an attempt last began, on the clock of the rooms. */
  usedAt: number;
  /** It made room for others, and who knows it by its key knows another place by now. */
  isEvicted: boolean;
  /** The most attempts under way at once, in the current and in the last ten seconds. */
  peak: number;
  previousPeak: number;
  /** How many of the slots it needed lately, as the others are to leave them; 0 while it does not answer. */
  reservedSlots: number;
  lastError: string | null;
  /** When it last took a webhook, in milliseconds since 1970, and how many it has failed since then. */
  deliveredAt: number;
  failures: number;
  /** The log says that it is in trouble. */
  isReported: boolean;
  /** How it was when it was last looked at, and since when it is so or in the same trouble, in milliseconds since 1970. */
  status: EndpointStatus | null;
  since: number;
  /** What was last told of it. */
  lastReported: EndpointStateRow | null;
  /** When that was, on the clock of the rooms. */
  reportedAt: number;
  /** Messages in its queue, as they were counted last; null: not yet. */
  parked: number | null;
  /** When a message was last parked here, on the clock of the rooms. */
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

/** It is paused, or does not answer, or answers with nothing but failures. */
export function isUnhealthy({ limiter }: TrackedEndpoint, now: number): boolean {
  return (
    limiter.limits.paused !== null ||
    !limiter.breaker.isClosed() ||
    limiter.responsiveness === 'unresponsive' ||
    limiter.isUnresponsive(now)
  );
}

/** An endpoint without attempts, and without messages in its queue, is forgotten after this long, in milliseconds. */
const EVICT_AFTER_MS = 600_000;

/**
 * Nobody has wanted anything of it for long: what is known of it is old. One that is left alone until a certain time, since it
 * asked for that, is remembered until then.
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

/** Tells its drain that there may be room for more: soon, when the slot is free, too. */
export function pullMore(endpoint: TrackedEndpoint): void {
  if (endpoint.consumer === null || endpoint.isWakePending) return;
  endpoint.isWakePending = true;
  setImmediate(() => {
    endpoint.isWakePending = false;
    endpoint.consumer?.pullMore();
  });
}

/** What a message finds that wants to wait in its slot. */
type WaitConditions = {
  readonly isParkedCopy: boolean;
  /** It takes its time, and has as many slots as it may: those that wait would be in the way of the others. */
  readonly isSlowest: boolean;
  /** Many endpoints have yet to answer, and many messages wait already. */
  readonly isStarvedByOthers: boolean;
  /** How many slots the endpoint may have for attempts and waiting ones together; null: all, since nobody else wants them. */
  readonly maxHeld: number | null;
};

/** Why a message is not to wait in its slot for room at this endpoint, for a person; null: it may. */
export function rejectionReason(
  { limiter, waiters, hasBacklog }: TrackedEndpoint,
  now: number,
  { isParkedCopy, isSlowest, isStarvedByOthers, maxHeld }: WaitConditions,
): string | null {
  if (limiter.limits.paused !== null) return `paused: ${limiter.limits.paused}`;
  if (!limiter.breaker.isClosed()) return 'its circuit breaker is open';
  if (hasBacklog && !isParkedCopy) return 'others wait in its queue';
  if (limiter.responsiveness === 'unresponsive' || limiter.isUnresponsive(now)) return 'it does not answer';
  if (isSlowest) return 'it is slow, and has all that it may';
  if (isStarvedByOthers) return 'too many others have yet to answer';
  if (maxHeld !== null && limiter.inFlight + waiters.length >= maxHeld) return 'too many wait for it';
  return null;
}

/** Whether this one has waited long enough for what comes of it: while the window grows, or where the slots are what is scarce, waiting helps. */
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
