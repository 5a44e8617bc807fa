import type { EndpointCondition, EndpointState } from '../core/endpoint-state.ts';
import { isIdle, type Place } from './room-place.ts';

/** How an endpoint is now, and why, for a person. */
export function conditionOf(place: Place, now: number): { state: EndpointCondition; why: string | null } {
  const { room, waiters, isQueueing } = place;
  const { breaker, rule, inFlight } = room;
  if (rule.paused !== null) return { state: 'paused', why: rule.paused };
  if (isIdle(place, now)) return { state: 'flowing', why: null };
  if (breaker.isHalfOpen(now))
    return { state: 'probing', why: 'its circuit breaker is half-open: one attempt at a time tries it' };
  if (!breaker.isClosed()) {
    const { successes, failures } = breaker.tally(now);
    const seconds = Math.ceil((breaker.openUntil! - now) / 1000);
    const lately =
      successes + failures === 0 ? '' : `${failures} of the last ${successes + failures} attempts failed; `;
    return { state: 'failing', why: `${lately}it is tried again in ${seconds} s` };
  }
  if (room.standing === 'stuck' || room.isSilent(now))
    return { state: 'silent', why: `${inFlight} attempts are under way, and nothing comes back` };
  if (isQueueing || waiters.length > 0)
    return { state: 'full', why: 'more comes than it takes: the rest waits in its queue' };
  return { state: 'flowing', why: null };
}

/** @param at Now, in milliseconds since 1970. */
export function stateOf(place: Place, now: number, at: number): EndpointState {
  const { state, why } = conditionOf(place, now);
  const { successes, failures } = place.room.breaker.tally(now);
  if (place.condition !== state) place.since = at;
  place.condition = state;
  return {
    endpointKey: place.key,
    url: place.url ?? '',
    state,
    inFlight: place.room.inFlight,
    waiting: place.waiters.length,
    parked: place.parked,
    successes,
    failures,
    lastError: place.lastError,
    since: place.since,
    why,
  };
}
