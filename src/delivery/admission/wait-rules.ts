import type { AttemptKind } from '../../core/capacity/endpoint-limiter.ts';
import type { SlotShare } from '../../core/capacity/slot-share.ts';
import { type TrackedEndpoint, type Waiter, waitingAt } from './tracked-endpoint.ts';

/** Conditions for a message to wait in its slot. */
type WaitConditions = {
  readonly kind: AttemptKind;
  /** The endpoint is slow, and uses all its permits: waiting messages would hold slots that other endpoints need. */
  readonly isSlowest: boolean;
  /** As many attempts hang as the endpoint may have: waiting messages would wait for their timeouts. */
  readonly isHungUp: boolean;
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
  endpoint: TrackedEndpoint,
  now: number,
  { kind, isSlowest, isHungUp, isStarvedByOthers, maxHeld }: WaitConditions,
): string | null {
  const { limiter, hasBacklog } = endpoint;
  if (limiter.limits.paused !== null) return `paused: ${limiter.limits.paused}`;
  if (!limiter.breaker.isClosed()) return 'the circuit breaker of the endpoint is open';
  if (hasBacklog && kind === 'fresh') return 'earlier messages of the endpoint are parked';
  if (limiter.responsiveness === 'unresponsive' || limiter.isUnresponsive(now))
    return 'the endpoint does not answer';
  if (isSlowest) return 'the endpoint is slow, and uses all its permits';
  if (isHungUp) return 'the endpoint is silent about as many attempts as it may be';
  if (isStarvedByOthers) return 'too many other endpoints have not answered yet';
  if (maxHeld !== null && limiter.inFlight + waitingAt(endpoint) >= maxHeld)
    return 'attempts and waiting messages of the endpoint hold as many slots as they may';
  return null;
}

/**
 * True if a message that has just arrived waits in its slot to be the probe of an open circuit breaker. So a parked message that
 * always fails is not the only one that tests the endpoint.
 */
export function mayAwaitProbe(
  { limiter, waiters }: TrackedEndpoint,
  kind: AttemptKind,
  now: number,
  parkAfterMs: number,
): boolean {
  if (kind !== 'fresh' || waiters.length > 0 || limiter.isProbed() || limiter.limits.paused !== null)
    return false;
  return !limiter.breaker.isClosed() && limiter.breaker.isHalfOpenForFresh(now + parkAfterMs);
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
  return now - since >= parkAfterMs && (waiter.kind === 'retry' || limiter.isSelfLimited(share));
}
