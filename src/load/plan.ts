import { between, seededRandom } from '../core/seeded-random.ts';

/** A whole number, or a range of which each use takes a random number. Both ends are included. */
export type Range = readonly [least: number, most: number];

export type PlanOptions = {
  /** Messages per second, on average. */
  readonly perSecond: number;
  /** How many messages are due at the same time. 1: each message has a time of its own. */
  readonly burst: Range;
  /** The sizes of the payloads, in bytes. */
  readonly size: Range;
  /** The plan ends before the first message that would be due at or after this time, in milliseconds. Null: no such end. */
  readonly durationMs: number | null;
  /** The plan ends after so many messages. Null: no such end. */
  readonly count: number | null;
  /** The same seed gives the same plan. 0 to 4 294 967 295. */
  readonly seed: number;
};

export type PlannedMessage = {
  /** From 1. */
  readonly number: number;
  /** When the message is to be sent, in milliseconds from the start. */
  readonly dueMs: number;
  /** The size of the payload, in bytes. */
  readonly bytes: number;
};

/**
 * What is sent when. The plan does not depend on how fast messages are stored or delivered (open loop): a system that falls behind
 * gets no pause, as from real publishers.
 *
 * After a burst of n messages the next burst is due n intervals later, so that the average rate is that of `perSecond`.
 */
export function* planOf(options: PlanOptions): Generator<PlannedMessage> {
  const { perSecond, burst, size, durationMs, count, seed } = options;
  const bursts = seededRandom(seed, 'bursts');
  const sizes = seededRandom(seed, 'sizes');
  const last = count ?? Number.POSITIVE_INFINITY;
  let number = 1;
  while (number <= last) {
    // Computed from the number and not added up, so that no rounding error grows.
    const dueMs = ((number - 1) * 1000) / perSecond;
    if (durationMs !== null && dueMs >= durationMs) return;
    const end = Math.min(last, number + between(bursts, burst) - 1);
    for (; number <= end; number++) yield { number, dueMs, bytes: between(sizes, size) };
  }
}

/** How many messages the plan has. Computed only where it is cheap; null: known at the end. */
export function plannedCount({ perSecond, burst, durationMs, count }: PlanOptions): number | null {
  const byCount = count ?? Number.POSITIVE_INFINITY;
  if (durationMs === null) return byCount;
  const byDuration = Math.ceil((durationMs * perSecond) / 1000);
  // The last burst may reach over the end of the duration.
  return byCount <= byDuration ? byCount : burst[1] === 1 ? byDuration : null;
}
