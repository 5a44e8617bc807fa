/** The most that ordered messages get of a resource that other messages need too, so that the other deliveries go on. A share. */
export const ORDERED_SHARE = 0.75;
/** Length of one round, in milliseconds. A round has a time slice for ordered messages, and one for the others. */
const ROUND_MS = 200;

/**
 * True during the time slice of ordered messages: ORDERED_SHARE of each round. The time slice is for a resource that cannot be
 * divided otherwise: a single slot, or the capacity of an endpoint for which other messages wait.
 *
 * @param now Milliseconds on a clock that never goes back.
 */
export function isOrderedTimeSlice(now: number): boolean {
  return now % ROUND_MS < ORDERED_SHARE * ROUND_MS;
}
