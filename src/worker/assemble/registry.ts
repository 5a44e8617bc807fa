import type pg from 'pg';
import { retryPolicy } from '../../config/retry-policy.ts';
import type { Settings } from '../../config/settings.ts';
import type { Admission } from '../../delivery/admission/admission.ts';
import { EndpointHolds } from '../../delivery/admission/endpoint-holds.ts';
import { EndpointLimitsWatcher } from '../../delivery/admission/limits-watcher.ts';
import type { PeerKnowledge } from '../../delivery/hold-forbidden.ts';
import { Peers } from '../../delivery/peers.ts';
import { WebhookRegistry } from '../../delivery/registry/webhook-registry.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { groupLimitsReader } from './group-limits.ts';
import type { OwnInstance } from './instance.ts';
import { webhookRows } from './webhook-rows.ts';

export type RegistryParts = {
  readonly settings: Settings;
  readonly log: Logger;
  readonly pool: pg.Pool;
  readonly own: OwnInstance;
  readonly admission: Admission;
};

/** Wires the rows of `rule_webhooks`, the limits of each endpoint from rows, operators and settings, and the live peers. */
export function assembleRegistry({ settings, log, pool, own, admission }: RegistryParts) {
  const registry = new WebhookRegistry({
    policy: { retries: retryPolicy(settings), disabled: settings.DISABLED_ENDPOINT },
    rows: webhookRows(pool, settings.DATABASE_URL, log),
    subjects: [...settings.SUBJECT, ...settings.ORDERED_SUBJECT],
    clock: systemClock,
    log,
  });
  const group = { streamName: settings.STREAM_NAME, queueGroup: settings.QUEUE_GROUP };
  const peers = new Peers({ own, log, now: () => performance.now() });
  const limits = new EndpointLimitsWatcher({
    defaults: {
      concurrency: settings.ENDPOINT_CONCURRENCY,
      ratePerSecond: settings.ENDPOINT_RATE_LIMIT,
      disabledEndpoint: settings.DISABLED_ENDPOINT,
    },
    read: groupLimitsReader(pool, group, peers, log),
    admission,
    log,
  });
  const holds = new EndpointHolds({
    log,
    now: () => performance.now(),
    onChanged: (held, keys) => limits.onHeld(held, keys),
  });
  peers.onReadDone(() => holds.onPeersRead());
  registry.onChanged(() => holds.onRegistryChanged(registry.known));
  registry.onChanged((keys) => limits.onRegistryChanged(registry, keys));
  registry.onLimitsNotified(() => void limits.refreshed());
  const peerKnowledge: PeerKnowledge = {
    recent: () => peers.recent(),
    refreshed: () => limits.refreshed(),
  };
  return { registry, limits, peers, peerKnowledge, holds };
}
