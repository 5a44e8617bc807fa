import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import { every } from '../../runtime/every.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import { checkUrl, clientConfig, PgClient } from './client.ts';
import { describeServer } from './connect-problem.ts';

/** The triggers of sql/migrations/0022_webhook_changes_notify.sql notify this channel. */
const LISTEN = 'LISTEN nats_webhook_worker_endpoints';

/** All notifications within this time count as one change, in milliseconds. */
const DEBOUNCE_MS = 50;
/**
 * Each pause is made shorter or longer at random, by up to this share, so that many workers do not reconnect at the same time.
 */
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };

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

export type ListenOptions = {
  /** The same URL as for the pool. Env DATABASE_URL. */
  readonly url: string;
  readonly log: Logger;
  /**
   * Called when the endpoints, their secrets or the operators' limits may have changed: on a notification (once for all
   * notifications within 50 ms), and after every connect, because earlier notifications were missed. Must not throw.
   */
  readonly changed: (change: NotifiedChange) => void;
  /**
   * The interval between two checks of the connection, in milliseconds. Without them, a server that vanished without closing the
   * connection would not be noticed for a long time, because nothing is sent. @default 15_000
   */
  readonly checkEveryMs?: number;
  /** Without an answer within this time, the connection counts as lost. In milliseconds. @default 10_000 */
  readonly answerWithinMs?: number;
};

/** After `stop()`, `changed` is not called any more. */
export type Listening = { stop(): void };

/**
 * Listens to PostgreSQL's notifications of changed endpoints, on a connection of its own. A lost connection is made again, with
 * growing pauses. The connection does not keep the process alive. No notifications come through a PgBouncer with transaction
 * pooling, and none for changes in a transaction with `session_replication_role = replica`: so the caller must also poll.
 *
 * @throws UserError if the URL cannot be used.
 */
export function listenForChanges(options: ListenOptions): Listening {
  const { url, log, changed } = options;
  checkUrl(url);
  const server = describeServer(url);
  let isStopped = false;
  const problem = new ProblemLog({ sayOver: () => log.info({ server }, 'postgres.listen_recovered') });
  let failures = 0;
  let endCurrent = () => {};
  let retry: NodeJS.Timeout | undefined;
  let debounce: NodeJS.Timeout | undefined;
  let ids: Set<number> | 'all' = new Set();
  let limits = false;

  function notify(payload: string): void {
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

  function onListening(): void {
    problem.clear();
    failures = 0;
    changed(EVERYTHING);
  }

  function onLost(error: unknown): void {
    if (isStopped) return;
    problem.report(() =>
      log.warn(
        { server, code: errorCode(error), error: errorMessage(error), hint: UNHEARD },
        'postgres.listen_failed',
      ),
    );
    failures += 1;
    retry = setTimeout(connect, backoff(BACKOFF, failures, Math.random())).unref();
  }

  function connect(): void {
    endCurrent = holdConnection(options, { onListening, onNotified: notify, onLost });
  }

  connect();
  return {
    stop() {
      isStopped = true;
      clearTimeout(retry);
      clearTimeout(debounce);
      endCurrent();
    },
  };
}

type ListenEvents = {
  /** Called once, when the connection listens. */
  onListening(): void;
  onNotified(payload: string): void;
  /** Called once, when the connection is lost, for whatever reason. */
  onLost(error: unknown): void;
};

/** Holds one connection until it is lost. @returns A function that ends the connection without a call of `onLost`. */
function holdConnection(
  { url, checkEveryMs = 15_000, answerWithinMs = 10_000 }: ListenOptions,
  events: ListenEvents,
): () => void {
  const client = new PgClient(clientConfig(url));
  let stopChecking = () => {};
  let isOver = false;

  function end(): void {
    isOver = true;
    stopChecking();
    client.destroy();
  }
  function lose(error: unknown): void {
    if (isOver) return;
    end();
    events.onLost(error);
  }
  async function listen(): Promise<void> {
    const silent = setTimeout(() => lose(new Error('the server does not answer')), answerWithinMs).unref();
    await client.query(LISTEN).finally(() => clearTimeout(silent));
  }
  async function open(): Promise<void> {
    const connected = client.connect();
    client.unref();
    await connected;
    client.unref();
    await listen();
    if (isOver) return;
    // Again and again: it changes nothing, and shows whether the server is still there.
    stopChecking = every(checkEveryMs, () => listen().catch(lose), { unref: true });
    events.onListening();
  }

  client.on('notification', ({ payload }) => events.onNotified(payload ?? ''));
  client.on('error', lose);
  client.on('end', () => lose(new Error('the connection was closed')));
  open().catch(lose);
  return end;
}
