import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { checkUrl, clientConfig, PgClient } from './client.ts';
import { describeServer } from './connect-problem.ts';

/** Said by the triggers of sql/migrations/0015_endpoint_changes_notify.sql. */
const LISTEN = 'LISTEN nats_webhook_worker_endpoints';

/** What comes within it is one change, in milliseconds. */
const DEBOUNCE_MS = 50;
/** With jitter, so that many workers never knock in step. */
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };

const UNHEARD =
  'PostgreSQL notifies the worker of no changed endpoints now. The worker sees changes later, and listens again by itself.';

export type ListenOptions = {
  /** As of the pool. Env DATABASE_URL. */
  readonly url: string;
  readonly log: Logger;
  /**
   * Called when the endpoints, their secrets or what operators say of them may have changed: on notifications, together
   * where they come within 50 ms; and after every connect, since what was said before that went unheard. Must not throw.
   */
  readonly changed: () => void;
  /**
   * How often the server is asked whether it is still there, in milliseconds: one that is gone without a word would go
   * unnoticed for long on a connection on which nothing is said. @default 15_000
   */
  readonly checkEveryMs?: number;
  /** After which it is taken for gone, in milliseconds. @default 10_000 */
  readonly answerWithinMs?: number;
};

/** Ends it: `changed` is not called any more. */
export type Listening = { stop(): void };

/**
 * Follows what PostgreSQL notifies of changed endpoints, on a connection of its own that is made again, with patience,
 * whenever it is lost. It keeps no process alive. Behind a PgBouncer that pools transactions nothing is heard, and
 * changes in a transaction of `session_replication_role = replica` are not told: have a slow poll behind it.
 *
 * @throws UserError where the URL cannot be used.
 */
export function listenForChanges(options: ListenOptions): Listening {
  const { url, log, changed } = options;
  checkUrl(url);
  const server = describeServer(url);
  let isStopped = false;
  let isAway = false;
  let failures = 0;
  let endCurrent = () => {};
  let retry: NodeJS.Timeout | undefined;
  let debounce: NodeJS.Timeout | undefined;

  function notify(): void {
    debounce ??= setTimeout(() => {
      debounce = undefined;
      changed();
    }, DEBOUNCE_MS).unref();
  }

  function onListening(): void {
    if (isAway) log.info({ server }, 'postgres.listen_recovered');
    isAway = false;
    failures = 0;
    changed();
  }

  function onLost(error: unknown): void {
    if (isStopped) return;
    if (!isAway) {
      log.warn(
        { server, code: errorCode(error), error: errorMessage(error), hint: UNHEARD },
        'postgres.listen_failed',
      );
    }
    isAway = true;
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
  /** Once it listens. */
  onListening(): void;
  onNotified(): void;
  /** Once, whatever ends it. */
  onLost(error: unknown): void;
};

/** One connection, until it is lost. @returns What ends it, without a word. */
function holdConnection(
  { url, checkEveryMs = 15_000, answerWithinMs = 10_000 }: ListenOptions,
  events: ListenEvents,
): () => void {
  const client = new PgClient(clientConfig(url));
  let check: NodeJS.Timeout | undefined;
  let isOver = false;

  function end(): void {
    isOver = true;
    clearTimeout(check);
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
    if (isOver) return;
    // Again and again: it changes nothing, and shows whether the server is still there.
    check = setTimeout(() => listen().catch(lose), checkEveryMs).unref();
  }
  async function open(): Promise<void> {
    const connected = client.connect();
    client.unref();
    await connected;
    client.unref();
    await listen();
    if (!isOver) events.onListening();
  }

  client.on('notification', () => events.onNotified());
  client.on('error', lose);
  client.on('end', () => lose(new Error('the connection was closed')));
  open().catch(lose);
  return end;
}
