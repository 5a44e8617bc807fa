import type { Settings } from '../config/settings.ts';
import { NO_ENDPOINT_KEY } from '../core/endpoint.ts';
import { type Endpoint, type Registry, whyDisabled } from '../core/registry.ts';
import type { RoomRule } from '../core/room.ts';
import type { EndpointRules } from '../postgres/endpoints-table.ts';

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
export function roomRule(
  settings: Pick<Settings, 'ENDPOINT_CONCURRENCY' | 'ENDPOINT_RATE_LIMIT' | 'DISABLED_ENDPOINT'>,
  said: Said,
  key: string,
): RoomRule {
  const rule = said.rules.get(key);
  const row = said.registry?.byKey(key)?.row;
  const concurrency = rule?.maxConcurrency ?? row?.maxConcurrency ?? settings.ENDPOINT_CONCURRENCY;
  const perSecond = rule?.rateLimit ?? row?.rateLimit ?? settings.ENDPOINT_RATE_LIMIT;
  return {
    paused: rule?.paused === true ? (rule.pausedReason ?? BY_HAND) : whyPaused(settings, said, key, row),
    concurrency: concurrency == null ? null : Math.max(1, Math.floor(concurrency / said.liveWorkers)),
    perSecond: perSecond == null ? null : perSecond / said.liveWorkers,
  };
}

const BY_HAND = 'by an operator';

function whyPaused(
  { DISABLED_ENDPOINT }: Pick<Settings, 'DISABLED_ENDPOINT'>,
  { registry, registryTrouble, waiting }: Said,
  key: string,
  row: Endpoint['row'] | undefined,
): string | null {
  if (waiting.has(key) && registry === null) return 'rule_webhooks could not be read yet';
  if (waiting.has(key) && registryTrouble !== null) return registryTrouble;
  if (row?.paused === true) return row.pausedReason ?? BY_HAND;
  // Else what waits in its queue comes out to be given up.
  return row?.enabled === false && DISABLED_ENDPOINT === 'park' ? whyDisabled(row) : null;
}

/** Whether anything is to be shared among workers. */
export function isLimited(
  settings: Pick<Settings, 'ENDPOINT_CONCURRENCY' | 'ENDPOINT_RATE_LIMIT'>,
  { rules, registry }: Said,
): boolean {
  if (settings.ENDPOINT_CONCURRENCY != null || settings.ENDPOINT_RATE_LIMIT != null) return true;
  const rows = [...(registry?.endpoints() ?? [])].map(({ row }) => row);
  return [...rules.values(), ...rows].some(
    ({ maxConcurrency, rateLimit }) => maxConcurrency !== null || rateLimit !== null,
  );
}
