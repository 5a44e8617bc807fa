import type pg from 'pg';
import { listenForChanges } from '../postgres/listen.ts';
import { disableWebhook, noteFailing, readWebhooks } from '../postgres/webhooks-table.ts';
import type { Logger } from '../runtime/logger.ts';
import type { WebhookRows } from './live-registry.ts';

/** The rows of `rule_webhooks`, in PostgreSQL. */
export function webhookRows(pool: pg.Pool, url: string, log: Logger): WebhookRows {
  return {
    read: () => readWebhooks(pool),
    listen: (changed) => listenForChanges({ url, log, changed }),
    disable: (id, reason, onlyIf) => disableWebhook(pool, id, reason, onlyIf),
    noteFailing: (id, since) => noteFailing(pool, id, since),
  };
}
