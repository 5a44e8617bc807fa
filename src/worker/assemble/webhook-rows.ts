import type pg from 'pg';
import type { WebhookRows } from '../../delivery/registry/webhook-registry.ts';
import { listenForChanges } from '../../postgres/connection/listen.ts';
import { disableWebhook, noteFailing, readWebhooks } from '../../postgres/tables/webhooks-table.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Reads and changes the rows of `rule_webhooks` in PostgreSQL. */
export function webhookRows(pool: pg.Pool, url: string, log: Logger): WebhookRows {
  return {
    read: () => readWebhooks(pool),
    listen: (changed) => listenForChanges({ url, log, changed }),
    disable: (id, reason, onlyIf) => disableWebhook(pool, id, reason, onlyIf),
    noteFailing: (id, since) => noteFailing(pool, id, since),
  };
}
