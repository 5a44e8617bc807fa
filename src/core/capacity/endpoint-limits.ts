import { type Endpoint, type Registry, whyDisabled } from '../endpoint/registry.ts';
import { NO_ENDPOINT_KEY } from '../request/target.ts';
import type { RoomRule } from './endpoint-limiter.ts';

/** What an operator says about one endpoint: a row of `rule_nats_endpoints`. */
export type EndpointRule = {
  readonly paused: boolean;
  readonly pausedReason: string | null;
  /** Attempts under way at once, over all workers of the group; null: as the settings say. */
  readonly maxConcurrency: number | null;
  /** Requests a second, over all workers of the group; null: as the settings say. */
  readonly rateLimit: number | null;
};

export type EndpointRules = {
  /** By endpoint key; only rows that say something. */
  readonly rules: ReadonlyMap<string, EndpointRule>;
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
export type Said = EndpointRules & {
  /** Null while the rows of `rule_webhooks` have never been read. */
  readonly registry: Registry | null;
  /** Why those rows cannot be read now; null: they can. */
  readonly registryTrouble: string | null;
  /** Queues of messages that wait for those rows to be read. */
  readonly waiting: ReadonlySet<string>;
};

export const NOTHING_SAID: Said = {
  rules: new Map(),
  liveWorkers: 1,
  registry: null,
  registryTrouble: null,
  waiting: new Set([NO_ENDPOINT_KEY]),
};

/**
 * What one worker of the group may do at an endpoint: its share, of attempts at once one at least. A row of
 * `rule_nats_endpoints` comes before the endpoint's own in `rule_webhooks`, and that before the settings.
 */
export function roomRule(defaults: DefaultLimits, said: Said, key: string): RoomRule {
  const rule = said.rules.get(key);
  const row = said.registry?.byKey(key)?.row;
  const concurrency = rule?.maxConcurrency ?? row?.maxConcurrency ?? defaults.concurrency;
  const perSecond = rule?.rateLimit ?? row?.rateLimit ?? defaults.ratePerSecond;
  return {
    paused: rule?.paused === true ? (rule.pausedReason ?? BY_HAND) : whyPaused(defaults, said, key, row),
    concurrency: concurrency == null ? null : Math.max(1, Math.floor(concurrency / said.liveWorkers)),
    perSecond: perSecond == null ? null : perSecond / said.liveWorkers,
  };
}

const BY_HAND = 'by an operator';

function whyPaused(
  { disabledEndpoint }: DefaultLimits,
  { registry, registryTrouble, waiting }: Said,
  key: string,
  row: Endpoint['row'] | undefined,
): string | null {
  if (waiting.has(key) && registry === null) return 'rule_webhooks could not be read yet';
  if (waiting.has(key) && registryTrouble !== null) return registryTrouble;
  if (row?.paused === true) return row.pausedReason ?? BY_HAND;
  // Else what waits in its queue comes out to be given up.
  return row?.enabled === false && disabledEndpoint === 'park' ? whyDisabled(row) : null;
}

/** Whether anything is to be shared among workers. */
export function isLimited(defaults: DefaultLimits, { rules, registry }: Said): boolean {
  if (defaults.concurrency != null || defaults.ratePerSecond != null) return true;
  const rows = [...(registry?.endpoints() ?? [])].map(({ row }) => row);
  return [...rules.values(), ...rows].some(
    ({ maxConcurrency, rateLimit }) => maxConcurrency !== null || rateLimit !== null,
  );
}
