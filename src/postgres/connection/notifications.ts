import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import { checkUrl } from './client.ts';
import { describeServer } from './connect-problem.ts';
import { type HeldConnectionOptions, holdConnection } from './held-connection.ts';

/**
 * Each pause is made shorter or longer at random, by up to this share, so that many workers do not reconnect at the same time.
 */
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };

export type NotificationsOptions = HeldConnectionOptions & {
  readonly log: Logger;
  /** What the log says follows while no notifications come. */
  readonly hint: string;
  /** Called for each notification. Must not throw. */
  onNotified(channel: string, payload: string): void;
  /** Called after every connect, because earlier notifications were missed. Must not throw. */
  onListening(): void;
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
