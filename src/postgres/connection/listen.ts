import type { Logger } from '../../runtime/logger.ts';
import { followNotifications, type Listening, type NotificationsOptions } from './notifications.ts';

/** The triggers of sql/migrations/0022_webhook_changes_notify.sql notify this channel. */
const CHANNEL = 'nats_webhook_worker_endpoints';

/** All notifications within this time count as one change, in milliseconds. */
const DEBOUNCE_MS = 50;

const UNHEARD =
  'PostgreSQL notifies the worker of no changed endpoints now. The worker sees changes later, and listens again by itself.';

/** What may have changed. */
export type NotifiedChange = {
  /** Ids of rows of `rule_webhooks` that changed, or whose secrets did; or any row may have. */
  readonly ids: ReadonlySet<number> | 'all';
  /** True if `rule_nats_endpoints` may have changed. */
  readonly limits: boolean;
};

const EVERYTHING: NotifiedChange = { ids: 'all', limits: true };

/**
 * What a notification says: `webhook 17`, `webhooks` (any row), or `limits`. Any other text means everything: the triggers of older
 * versions send an empty one.
 */
export function changeOf(payload: string): NotifiedChange {
  const [, id] = /^webhook (-?\d+)$/.exec(payload) ?? [];
  if (id !== undefined) return { ids: new Set([Number(id)]), limits: false };
  if (payload === 'webhooks') return { ids: 'all', limits: false };
  return payload === 'limits' ? { ids: new Set(), limits: true } : EVERYTHING;
}

export type ListenOptions = Pick<NotificationsOptions, 'url' | 'checkEveryMs' | 'answerWithinMs'> & {
  readonly log: Logger;
  /**
   * Called when the endpoints, their secrets or the operators' limits may have changed: on a notification (once for all
   * notifications within 50 ms), and after every connect, because earlier notifications were missed. Must not throw.
   */
  readonly changed: (change: NotifiedChange) => void;
};

/**
 * Listens to PostgreSQL's notifications of changed endpoints, as `followNotifications` does.
 *
 * @throws UserError if the URL cannot be used.
 */
export function listenForChanges({ changed, ...options }: ListenOptions): Listening {
  let debounce: NodeJS.Timeout | undefined;
  let ids: Set<number> | 'all' = new Set();
  let limits = false;

  function onNotified(payload: string): void {
    const change = changeOf(payload);
    if (change.ids === 'all' || ids === 'all') ids = 'all';
    else for (const id of change.ids) ids.add(id);
    limits ||= change.limits;
    debounce ??= setTimeout(() => {
      const change = { ids, limits };
      debounce = undefined;
      ids = new Set();
      limits = false;
      changed(change);
    }, DEBOUNCE_MS).unref();
  }

  const { stop } = followNotifications({
    ...options,
    channels: [CHANNEL],
    hint: UNHEARD,
    onNotified: (_, payload) => onNotified(payload),
    onListening: () => changed(EVERYTHING),
  });
  return {
    stop() {
      clearTimeout(debounce);
      stop();
    },
  };
}
