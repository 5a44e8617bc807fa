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

type PolicyFields = Parameters<typeof policyOfRow>[0] & Pick<EndpointRow, 'name' | 'enabled' | 'problem'>;

/**
 * Which policies give up within an hour: the one of the settings, and those of enabled rows. A row that is wrong gives nothing up:
 * its messages wait until it is corrected.
 *
 * @param maxAgeMs MAX_AGE_HOURS, in milliseconds; 0: no limit.
 * @param most How many are named. The others are only counted.
 */
export function earlyEnds(
  retries: RetryPolicy,
  rows: Iterable<PolicyFields>,
  maxAgeMs: number,
  most: number,
): EarlyEnds {
  const shown: EarlyEnd[] = [];
  let more = 0;
  const look = (endpoint: string | null, policy: RetryPolicy) => {
    const afterMs = givesUpAfterMs(policy, maxAgeMs);
    if (afterMs >= EARLY_END_MS) return;
    if (shown.length >= most) more++;
    else shown.push({ endpoint, attempts: policy.maxAttempts, afterMs });
  };
  look(null, retries);
  for (const row of rows) if (row.enabled && row.problem === null) look(row.name, policyOfRow(row, retries));
  return { shown, more };
}

/** For a person: `messages with a URL: 7 attempts end after 63 s`. */
export function describeEarlyEnd({ endpoint, attempts, afterMs }: EarlyEnd): string {
  return `${endpoint ?? 'messages with a URL'}: ${describeEnd(attempts, afterMs)}`;
}
