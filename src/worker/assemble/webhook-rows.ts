import type pg from 'pg';
import type { WebhookRows } from '../../delivery/registry/webhook-registry.ts';
import { listenForChanges } from '../../postgres/connection/listen.ts';
import { WebhooksReader } from '../../postgres/tables/webhooks-reader.ts';
import { disableWebhook, noteFailing } from '../../postgres/tables/webhooks-table.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Reads and changes the rows of `rule_webhooks` in PostgreSQL. */
export function webhookRows(pool: pg.Pool, url: string, log: Logger): WebhookRows {
  const reader = new WebhooksReader(pool);
  return {
    state: () => reader.state(),
    versions: (buckets) => reader.versions(buckets),
    rows: (ids) => reader.rows(ids),
    listen: (changed) => listenForChanges({ url, log, changed }),
    disable: (id, reason, onlyIf) => disableWebhook(pool, id, reason, onlyIf),
    noteFailing: (id, since) => noteFailing(pool, id, since),
  };
}
