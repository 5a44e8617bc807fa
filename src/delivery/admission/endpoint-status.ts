import type { EndpointCondition, EndpointState } from '../../core/records/endpoint-state.ts';
import { isIdle, type Place } from './tracked-endpoint.ts';

/**
 * How an endpoint is now, and why, for a person: a sentence that stays true while nobody writes another one.
 *
 * @param at Now, in milliseconds since 1970.
 */
export function conditionOf(
  place: Place,
  now: number,
  at: number,
): { state: EndpointCondition; why: string | null } {
  const { room, waiters, isQueueing } = place;
  const { breaker, rule, inFlight } = room;
  if (rule.paused !== null) return { state: 'paused', why: rule.paused };
  if (isIdle(place, now)) return { state: 'flowing', why: null };
  if (breaker.isHalfOpen(now))
    return { state: 'probing', why: 'one attempt at a time tries whether it is back' };
  if (!breaker.isClosed()) {
    const { successes, failures } = breaker.tally(now);
    const next = new Date(at + breaker.openUntil! - now).toISOString().slice(11, 19);
    const lately =
      successes + failures === 0 ? '' : `${failures} of the last ${successes + failures} attempts failed; `;
    return { state: 'failing', why: `${lately}it is tried again at ${next} UTC` };
  }
  if (room.standing === 'stuck' || room.isSilent(now))
    return { state: 'silent', why: `${inFlight} attempts are under way, and nothing comes back` };
  if (isQueueing || waiters.length > 0)
    return { state: 'full', why: 'more comes than it takes: the rest waits in its queue' };
  return { state: 'flowing', why: null };
}

/** @param at Now, in milliseconds since 1970. */
export function stateOf(place: Place, now: number, at: number): EndpointState {
  const { state, why } = conditionOf(place, now, at);
  const { successes, failures } = place.room.breaker.tally(now);
  if (place.condition === null || lasting(place.condition) !== lasting(state)) place.since = at;
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

/** An endpoint that hangs, is given up, and is probed again and again, is in one and the same trouble. */
function lasting(state: EndpointCondition): EndpointCondition {
  return state === 'silent' || state === 'probing' ? 'failing' : state;
}
