import { describeEnd, EARLY_END_MS, givesUpAfterMs } from '../retry/retry-schedule.ts';
import type { RetryPolicy } from '../retry/verdict.ts';
import { policyOfRow } from './endpoint.ts';
import type { EndpointRow } from './row.ts';

/** A retry policy that gives a delivery up within an hour. */
export type EarlyEnd = {
  /** The name of the row; null: messages that name their URL. */
  readonly endpoint: string | null;
  readonly attempts: number;
  readonly afterMs: number;
};

export type EarlyEnds = {
  /** The first of them; messages that name their URL first. */
  readonly shown: readonly EarlyEnd[];
  /** How many there are besides. */
  readonly more: number;
};

/** How many policies are remembered while all rows are looked at. */
const MOST_KNOWN = 1000;

type PolicyFields = Parameters<typeof policyOfRow>[0] &
  Pick<EndpointRow, 'name' | 'enabled' | 'problem'> & {
    /** Further rows with the same policy, which are only counted. @default 0 */
    readonly alike?: number;
  };

/**
 * Which policies give up within an hour: the one of the settings, and those of enabled rows. A row that is wrong gives nothing up:
 * its messages wait until it is corrected.
 *
 * @param maxAgeMs MAX_AGE_HOURS, in milliseconds; 0: no limit.
 * @param most How many are named. The others are only counted.
 * @param isWrong True if the row is wrong in a way that its `problem` does not say. @default false
 */
export function earlyEnds<R extends PolicyFields>(
  retries: RetryPolicy,
  rows: Iterable<R>,
  maxAgeMs: number,
  most: number,
  isWrong: (row: R) => boolean = () => false,
): EarlyEnds {
  const shown: EarlyEnd[] = [];
  let more = 0;
  // Most rows have one of a few policies, and there may be 100,000 rows.
  const known = new Map<string, number>();
  const add = (endpoint: string | null, attempts: number, afterMs: number, alike = 0) => {
    if (afterMs >= EARLY_END_MS) return;
    more += alike;
    if (shown.length >= most) more++;
    else shown.push({ endpoint, attempts, afterMs });
  };
  add(null, retries.maxAttempts, givesUpAfterMs(retries, maxAgeMs));
  for (const row of rows) {
    if (!row.enabled || row.problem !== null) continue;
    const what = `${row.maxAttempts} ${row.retryDelayMs} ${row.retryMultiplier} ${row.retrySchedule ?? ''}`;
    const afterMs = known.get(what) ?? givesUpAfterMs(policyOfRow(row, retries), maxAgeMs);
    if (known.size < MOST_KNOWN) known.set(what, afterMs);
    // Only rows that would be named are looked at as a whole: there may be 100,000.
    if (afterMs < EARLY_END_MS && shown.length < most && isWrong(row)) continue;
    add(row.name, row.maxAttempts, afterMs, row.alike);
  }
  return { shown, more };
}

/** For a person: `messages with a URL: 7 attempts end after 63 s`. */
export function describeEarlyEnd({ endpoint, attempts, afterMs }: EarlyEnd): string {
  return `${endpoint ?? 'messages with a URL'}: ${describeEnd(attempts, afterMs)}`;
}
