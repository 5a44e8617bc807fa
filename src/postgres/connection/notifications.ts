import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import { every } from '../../runtime/every.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import { checkUrl, clientConfig, PgClient } from './client.ts';
import { describeServer } from './connect-problem.ts';

/**
 * Each pause is made shorter or longer at random, by up to this share, so that many workers do not reconnect at the same time.
 */
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };

export type NotificationsOptions = {
  /** The same URL as for the pool. Env DATABASE_URL. */
  readonly url: string;
  /** Names of channels, in lower case. */
  readonly channels: readonly string[];
  readonly log: Logger;
  /** What the log says follows while no notifications come. */
  readonly hint: string;
  /** Called for each notification. Must not throw. */
  onNotified(channel: string, payload: string): void;
  /** Called after every connect, because earlier notifications were missed. Must not throw. */
  onListening(): void;
  /**
   * The interval between two checks of the connection, in milliseconds. Without them, a server that vanished without closing the
   * connection would not be noticed for a long time, because nothing is sent. @default 15_000
   */
  readonly checkEveryMs?: number;
  /** Without an answer within this time, the connection counts as lost. In milliseconds. @default 10_000 */
  readonly answerWithinMs?: number;
};

/** After `stop()`, no listener is called any more. */
export type Listening = { stop(): void };

/**
 * Listens to PostgreSQL's notifications, on a connection of its own. A lost connection is made again, with
 * growing pauses. The connection does not keep the process alive. No notifications come through a PgBouncer with transaction
 * pooling, and none for changes in a transaction with `session_replication_role = replica`: so the caller must also poll.
 *
 * @throws UserError if the URL cannot be used.
 */
export function followNotifications(options: NotificationsOptions): Listening {
  const { url, log, hint } = options;
  checkUrl(url);
  const server = describeServer(url);
  let isStopped = false;
  const problem = new ProblemLog({ sayOver: () => log.info({ server }, 'postgres.listen_recovered') });
  let failures = 0;
  let endCurrent = () => {};
  let retry: NodeJS.Timeout | undefined;

  function onListening(): void {
    problem.clear();
    failures = 0;
    options.onListening();
  }

  function onLost(error: unknown): void {
    if (isStopped) return;
    problem.report(() =>
      log.warn(
        { server, code: errorCode(error), error: errorMessage(error), hint },
        'postgres.listen_failed',
      ),
    );
    failures += 1;
    retry = setTimeout(connect, backoff(BACKOFF, failures, Math.random())).unref();
  }

  function connect(): void {
    endCurrent = holdConnection(options, { onListening, onNotified: options.onNotified, onLost });
  }

  connect();
  return {
    stop() {
      isStopped = true;
      clearTimeout(retry);
      endCurrent();
    },
  };
}

type ListenEvents = {
  /** Called once, when the connection listens. */
  onListening(): void;
  onNotified(channel: string, payload: string): void;
  /** Called once, when the connection is lost, for whatever reason. */
  onLost(error: unknown): void;
};

/** Holds one connection until it is lost. @returns A function that ends the connection without a call of `onLost`. */
function holdConnection(
  { url, channels, checkEveryMs = 15_000, answerWithinMs = 10_000 }: NotificationsOptions,
  events: ListenEvents,
): () => void {
  const statement = channels.map((channel) => `LISTEN ${channel}`).join('; ');
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
    await client.query(statement).finally(() => clearTimeout(silent));
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

  client.on('notification', ({ channel, payload }) => events.onNotified(channel, payload ?? ''));
  client.on('error', lose);
  client.on('end', () => lose(new Error('the connection was closed')));
  open().catch(lose);
  return end;
}
