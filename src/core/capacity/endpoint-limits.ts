import { disabledReason, type Endpoint, type Registry } from '../endpoint/registry.ts';
import { NO_ENDPOINT_KEY } from '../request/target.ts';
import type { EndpointLimits } from './endpoint-limiter.ts';

/** What an operator says about one endpoint: a row of `rule_nats_endpoints`. */
export type OperatorLimits = {
  readonly paused: boolean;
  readonly pausedReason: string | null;
  /** Attempts under way at once, over all workers of the group; null: as the settings say. */
  readonly maxConcurrency: number | null;
  /** Requests a second, over all workers of the group; null: as the settings say. */
  readonly rateLimit: number | null;
};

export type GroupLimits = {
  /** By endpoint key; only rows that say something. */
  readonly byOperator: ReadonlyMap<string, OperatorLimits>;
  /** Workers of the group that run, this one included; what caps and rates are divided by. At least 1. */
  readonly liveWorkers: number;
};

/** What the settings allow at each endpoint, over all workers of the group. */
export type DefaultLimits = {
  /** Attempts under way at once; undefined: as many as there are slots. ENDPOINT_CONCURRENCY. */
  readonly concurrency: number | undefined;
  /** Requests a second; undefined: any number. ENDPOINT_RATE_LIMIT. */
  readonly ratePerSecond: number | undefined;
  /** What becomes of messages for a row that is not enabled. DISABLED_ENDPOINT. */
  readonly disabledEndpoint: 'park' | 'dead-letter';
};

/** What is said of endpoints, and by how many workers it is shared. */
export type LimitSources = GroupLimits & {
  /** Null while the rows of `rule_webhooks` have never been read. */
  readonly registry: Registry | null;
  /** Why those rows cannot be read now; null: they can. */
  readonly registryProblem: string | null;
  /** Queues of messages that wait for those rows to be read. */
  readonly waitingForRegistry: ReadonlySet<string>;
};

export const NO_SOURCES: LimitSources = {
  byOperator: new Map(),
  liveWorkers: 1,
  registry: null,
  registryProblem: null,
  waitingForRegistry: new Set([NO_ENDPOINT_KEY]),
};

/**
 * What one worker of the group may do at an endpoint: its share, of attempts at once one at least. A row of
 * `rule_nats_endpoints` comes before the endpoint's own in `rule_webhooks`, and that before the settings.
 */
export function effectiveLimits(defaults: DefaultLimits, said: LimitSources, key: string): EndpointLimits {
  const rule = said.byOperator.get(key);
  const row = said.registry?.byKey(key)?.row;
  const concurrency = rule?.maxConcurrency ?? row?.maxConcurrency ?? defaults.concurrency;
  const perSecond = rule?.rateLimit ?? row?.rateLimit ?? defaults.ratePerSecond;
  return {
    paused: rule?.paused === true ? (rule.pausedReason ?? BY_HAND) : pausedReasonOf(defaults, said, key, row),
    concurrency: concurrency == null ? null : Math.max(1, Math.floor(concurrency / said.liveWorkers)),
    ratePerSecond: perSecond == null ? null : perSecond / said.liveWorkers,
  };
}

const BY_HAND = 'by an operator';

function pausedReasonOf(
  { disabledEndpoint }: DefaultLimits,
  { registry, registryProblem, waitingForRegistry }: LimitSources,
  key: string,
  row: Endpoint['row'] | undefined,
): string | null {
  if (waitingForRegistry.has(key) && registry === null) return 'rule_webhooks could not be read yet';
  if (waitingForRegistry.has(key) && registryProblem !== null) return registryProblem;
  if (row?.paused === true) return row.pausedReason ?? BY_HAND;
  // Else what waits in its queue comes out to be given up.
  return row?.enabled === false && disabledEndpoint === 'park' ? disabledReason(row) : null;
}

/** Whether anything is to be shared among workers. */
export function isLimited(defaults: DefaultLimits, { byOperator, registry }: LimitSources): boolean {
  if (defaults.concurrency != null || defaults.ratePerSecond != null) return true;
  const rows = [...(registry?.endpoints() ?? [])].map(({ row }) => row);
  return [...byOperator.values(), ...rows].some(
    ({ maxConcurrency, rateLimit }) => maxConcurrency !== null || rateLimit !== null,
  );
}
