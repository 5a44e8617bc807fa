import type { LimiterSignal } from '../../core/capacity/limiter-signal.ts';
import type { EndpointStateRow, EndpointStatus } from '../../core/records/endpoint-state.ts';
import { type Attempt, describeFailure, isDelivered } from '../../core/retry/attempt.ts';
import { isIdle, parkedOf, type TrackedEndpoint, waitingAt } from './tracked-endpoint.ts';

/**
 * Returns the state of an endpoint now, and the reason in a sentence for a person. The sentence must stay true until the next
 * state is written.
 *
 * @param at Now, in milliseconds since 1970.
 */
export function statusOf(
  endpoint: TrackedEndpoint,
  now: number,
  at: number,
): { state: EndpointStatus; why: string | null } {
  const { limiter, hasBacklog } = endpoint;
  const { breaker, limits, inFlight } = limiter;
  if (limits.paused !== null) return { state: 'paused', why: limits.paused };
  if (isIdle(endpoint, now)) return { state: 'flowing', why: null };
  // One sentence that stays the same: thousands of rows may share an origin.
  if (endpoint.origin?.why != null && breaker.isOwnClosed() && limiter.probes === 0)
    return {
      state: 'failing',
      why: `${endpoint.origin.why}: one attempt at a time tests ${endpoint.origin.url}`,
    };
  if (breaker.isHalfOpen(now))
    return { state: 'probing', why: 'one attempt at a time checks whether the endpoint answers again' };
  if (!breaker.isClosed()) {
    const { successes, failures } = breaker.counts(now);
    const next = new Date(at + breaker.openUntil! - now).toISOString().slice(11, 19);
    const recentFailures =
      successes + failures === 0 ? '' : `${failures} of the last ${successes + failures} attempts failed; `;
    return { state: 'failing', why: `${recentFailures}the next attempt is at ${next} UTC` };
  }
  if (limiter.responsiveness === 'unresponsive' || limiter.isUnresponsive(now))
    return {
      state: 'silent',
      why: `${inFlight} attempts are in flight, and the endpoint answers none of them`,
    };
  if (hasBacklog || waitingAt(endpoint) > 0)
    return {
      state: 'full',
      why: 'more messages come than the endpoint or its limits allow: the rest waits in its parked queue',
    };
  return { state: 'flowing', why: null };
}

/** @param at Now, in milliseconds since 1970. */
export function stateRowOf(endpoint: TrackedEndpoint, now: number, at: number): EndpointStateRow {
  const { state, why } = statusOf(endpoint, now, at);
  const { successes, failures } = endpoint.limiter.breaker.counts(now);
  if (endpoint.status === null || lasting(endpoint.status) !== lasting(state)) endpoint.since = at;
  endpoint.status = state;
  return {
    endpointKey: endpoint.key,
    url: endpoint.url ?? '',
    state,
    inFlight: endpoint.limiter.inFlight,
    waiting: waitingAt(endpoint),
    parked: parkedOf(endpoint),
    successes,
    failures,
    lastError: endpoint.lastError,
    since: endpoint.since,
    why,
  };
}

/** Notes what the attempt says for the reports. */
export function noteOutcome(endpoint: TrackedEndpoint, attempt: Attempt, signal: LimiterSignal): void {
  const { outcome, startedAt, durationMs } = attempt;
  endpoint.lastError = describeFailure(outcome) ?? endpoint.lastError;
  // A 404 is an answer, but does not deliver the webhook.
  if (isDelivered(outcome)) {
    endpoint.deliveredAt = startedAt + durationMs;
    endpoint.failures = 0;
  } else if (signal !== 'ignore') endpoint.failures++;
}

/**
 * `silent`, `failing` and `probing` count as one state for `since`: an endpoint that hangs goes through all three, again and
 * again.
 */
function lasting(state: EndpointStatus): EndpointStatus {
  return state === 'silent' || state === 'probing' ? 'failing' : state;
}
