/** What ordered messages have at most of what others want, too, so that these go on meanwhile. */
export const ORDERED_SHARE = 0.75;
/** How long a round is, in milliseconds. */
const ROUND_MS = 200;

/**
 * Whether it is the turn of the ordered messages. What cannot be shared but by turns, a single slot, or the room of an endpoint
 * for which others wait, they have for that share of each round.
 *
 * @param now Milliseconds on a clock that never goes back.
 */
export function isOrderedTimeSlice(now: number): boolean {
  return now % ROUND_MS < ORDERED_SHARE * ROUND_MS;
}
