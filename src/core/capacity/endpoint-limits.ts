import { disabledReason, type Endpoint } from '../endpoint/endpoint.ts';
import type { Registry } from '../endpoint/registry.ts';
import { endpointKey, NO_ENDPOINT_KEY } from '../request/target.ts';

/** The limits of one endpoint in this worker: this worker's share of the limits of the group. */
export type EndpointLimits = {
  /** Why the endpoint is paused; null: it is not paused. */
  readonly paused: string | null;
  /** Attempts in flight at once, at least 1; null: no limit. */
  readonly concurrency: number | null;
  /** Requests per second; null: no limit. */
  readonly ratePerSecond: number | null;
  /** The cap is of this URL alone, which is split off from its origin. @default false: it shares the cap of its origin */
  readonly hasOwnCap?: true;
  /** The same for the rate. */
  readonly hasOwnRate?: true;
};

export const NO_LIMITS: EndpointLimits = { paused: null, concurrency: null, ratePerSecond: null };

/** An operator's limits for one endpoint: a row of `rule_nats_endpoints`. */
export type OperatorLimits = {
  readonly paused: boolean;
  readonly pausedReason: string | null;
  /** Attempts in flight at once, over all workers of the group; null: as in the settings. */
  readonly maxConcurrency: number | null;
  /** Requests per second, over all workers of the group; null: as in the settings. */
  readonly rateLimit: number | null;
};

export type GroupLimits = {
  /** By endpoint key; only rows that set a limit or a pause. */
  readonly byOperator: ReadonlyMap<string, OperatorLimits>;
  /** Running workers of the group, with this one. Caps and rates are divided by this number. At least 1. */
  readonly liveWorkers: number;
};

/** The limits in the settings for each endpoint, over all workers of the group. */
export type DefaultLimits = {
  /** Attempts in flight at once; undefined: as many as there are slots. ENDPOINT_CONCURRENCY. */
  readonly concurrency: number | undefined;
  /** Requests per second; undefined: no limit. ENDPOINT_RATE_LIMIT. */
  readonly ratePerSecond: number | undefined;
  /** What the worker does with messages for a row that is not enabled. DISABLED_ENDPOINT. */
  readonly disabledEndpoint: 'park' | 'dead-letter';
};

/** Every source of limits, and the number of workers that share the limits. */
export type LimitSources = GroupLimits & {
  /** Null until the rows of `rule_webhooks` were read once. */
  readonly registry: Registry | null;
  /** Why the rows of `rule_webhooks` cannot be read now; null: they can be read. */
  readonly registryProblem: string | null;
  /** Endpoint keys of the parked queues whose messages wait until the rows of `rule_webhooks` are read. */
  readonly waitingForRegistry: ReadonlySet<string>;
  /** Why this worker sends nothing for a while, by endpoint key: its own address rules forbid what it would send. */
  readonly held: ReadonlyMap<string, string>;
};

export const NO_SOURCES: LimitSources = {
  byOperator: new Map(),
  liveWorkers: 1,
  registry: null,
  registryProblem: null,
  waitingForRegistry: new Set([NO_ENDPOINT_KEY]),
  held: new Map(),
};

/**
 * The limits of one endpoint in one worker: the worker's share of the group's limits, at least one attempt in flight. A row of
 * `rule_nats_endpoints` wins over the endpoint's row in `rule_webhooks`, and that row wins over the settings. A pause of an origin
 * holds all endpoints there: URLs that are split off, and rows of `rule_webhooks`.
 *
 * @param originKey Key of the origin of the last message; null: none came yet. The URL of a row wins, because it may have changed.
 * @param isSplit The endpoint is a URL that is split off: it has the cap and rate of its origin, unless it has a rule of its own.
 */
export function effectiveLimits(
  defaults: DefaultLimits,
  said: LimitSources,
  key: string,
  originKey: string | null,
  isSplit: boolean,
): EndpointLimits {
  const rule = said.byOperator.get(key);
  const ofOrigin = isSplit && originKey !== null ? said.byOperator.get(originKey) : undefined;
  const endpoint = said.registry?.byKey(key);
  const row = endpoint?.row;
  const concurrency =
    rule?.maxConcurrency ?? ofOrigin?.maxConcurrency ?? row?.maxConcurrency ?? defaults.concurrency;
  const perSecond = rule?.rateLimit ?? ofOrigin?.rateLimit ?? row?.rateLimit ?? defaults.ratePerSecond;
  return {
    paused:
      pausedByRule(rule) ??
      pausedWithOrigin(said, originKeyOf(said, endpoint) ?? originKey) ??
      pausedReasonOf(defaults, said, key, endpoint),
    concurrency: concurrency == null ? null : Math.max(1, Math.floor(concurrency / said.liveWorkers)),
    ratePerSecond: perSecond == null ? null : perSecond / said.liveWorkers,
    ...(isSplit && rule?.maxConcurrency != null && { hasOwnCap: true }),
    ...(isSplit && rule?.rateLimit != null && { hasOwnRate: true }),
  };
}

const BY_HAND = 'by an operator';

function pausedByRule(rule: OperatorLimits | undefined): string | null {
  return rule?.paused === true ? (rule.pausedReason ?? BY_HAND) : null;
}

function pausedWithOrigin({ byOperator }: LimitSources, originKey: string | null): string | null {
  const why = originKey === null ? null : pausedByRule(byOperator.get(originKey));
  return why === null ? null : `its origin is paused: ${why}`;
}

/** Computed only if a rule exists, because a hash is needed. */
function originKeyOf({ byOperator }: LimitSources, endpoint: Endpoint | undefined): string | null {
  if (byOperator.size === 0 || endpoint?.request.kind !== 'request') return null;
  const { origin, hostname } = endpoint.request.target;
  return endpointKey(origin, hostname);
}

function pausedReasonOf(
  { disabledEndpoint }: DefaultLimits,
  { registry, registryProblem, waitingForRegistry, held }: LimitSources,
  key: string,
  endpoint: Endpoint | undefined,
): string | null {
  if (waitingForRegistry.has(key) && registry === null) return 'rule_webhooks could not be read yet';
  if (waitingForRegistry.has(key) && registryProblem !== null) return registryProblem;
  if (endpoint === undefined) return held.get(key) ?? null;
  const { row, request } = endpoint;
  if (row.paused) return row.pausedReason ?? BY_HAND;
  // With DISABLED_ENDPOINT=dead-letter the endpoint is not paused: its parked messages are read, and become dead letters.
  if (!row.enabled && disabledEndpoint === 'park') return disabledReason(row);
  // The row is wrong: its messages wait until it is mended.
  if (request.kind === 'malformed' || request.kind === 'forbidden') return request.detail;
  return held.get(key) ?? null;
}

/** True if any endpoint has a limit that the workers must share. */
export function isLimited(defaults: DefaultLimits, { byOperator, registry }: LimitSources): boolean {
  if (defaults.concurrency != null || defaults.ratePerSecond != null) return true;
  if (registry?.hasLimits) return true;
  return [...byOperator.values()].some(
    ({ maxConcurrency, rateLimit }) => maxConcurrency !== null || rateLimit !== null,
  );
}
