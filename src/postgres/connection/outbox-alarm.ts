import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import { errorCode, errorMessage } from '../../runtime/failure.ts';
import { Listeners } from '../../runtime/listeners.ts';
import type { Logger } from '../../runtime/logger.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import {
  PREPARE_ALARM_SESSION,
  RELEASE_ALARM_LOCK,
  TRY_ALARM_LOCK,
  TRY_SHARED_ALARM_LOCK,
} from './advisory-lock.ts';
import { checkUrl, type PgClient } from './client.ts';
import { describeServer } from './connect-problem.ts';
import { holdConnection } from './held-connection.ts';

/** The trigger of rule_nats_outbox notifies this channel, and so does webhook_outbox_retry. */
const CHANNEL = 'nats_webhook_worker_outbox';
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };

const UNHEARD =
  'No commit wakes the relay now. It looks for rows by itself, every 20 ms, and listens again by itself.';
const POOLED =
  'Behind PgBouncer, no commit can wake the relay, so it looks for rows every 20 ms, or every OUTBOX_POLL_MS if that is set. Give the relay a URL of PostgreSQL itself for fewer queries.';

export type OutboxAlarmOptions = {
  /** Env DATABASE_URL. */
  readonly url: string;
  readonly log: Logger;
};

/**
 * Rings when a transaction commits rows of the outbox while the alarm is armed. Writers pay for a notification only then. On a
 * connection of its own, which is made again when it is lost.
 */
export class OutboxAlarm {
  readonly #options: OutboxAlarmOptions;
  readonly #server: string;
  readonly #rings = new Listeners<[isLost: boolean]>();
  readonly #problem: ProblemLog;
  #client: PgClient | null = null;
  #isLockOurs = false;
  #isStopped = false;
  #failures = 0;
  #retry: NodeJS.Timeout | undefined;
  #endCurrent = () => {};
  #isPooledSaid = false;

  /** @throws UserError if the URL cannot be used. */
  constructor(options: OutboxAlarmOptions) {
    checkUrl(options.url);
    this.#options = options;
    this.#server = describeServer(options.url);
    this.#problem = new ProblemLog({
      sayOver: () => options.log.info({ server: this.#server }, 'outbox.listen_recovered'),
    });
  }

  get canRing(): boolean {
    return this.#client !== null;
  }

  onRing(listener: (isLost: boolean) => void): void {
    this.#rings.add(listener);
  }

  /** Resolves when the first connection listens, or could not be made. */
  start(): Promise<void> {
    return new Promise((resolve) => this.#connect(resolve));
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#client = null;
    this.#endCurrent();
  }

  async arm(): Promise<boolean> {
    const client = this.#client;
    if (client === null) return false;
    try {
      const { rows } = await client.query(TRY_ALARM_LOCK);
      this.#isLockOurs = rows[0].taken;
      if (this.#isLockOurs) return true;
      return !(await client.query(TRY_SHARED_ALARM_LOCK)).rows[0].taken;
    } catch {
      // The connection tells of its loss itself.
      return false;
    }
  }

  disarm(): void {
    if (!this.#isLockOurs) return;
    this.#isLockOurs = false;
    this.#client?.query(RELEASE_ALARM_LOCK).catch(() => {});
  }

  #connect(settled: () => void = () => {}): void {
    this.#endCurrent = holdConnection(
      { url: this.#options.url, channels: [CHANNEL] },
      {
        onListening: (client) => {
          this.#onListening(client);
          settled();
        },
        onNotified: () => this.#rings.call(false),
        onLost: (error) => {
          this.#onLost(error);
          settled();
        },
      },
    );
  }

  #onListening(client: PgClient): void {
    this.#problem.clear();
    this.#failures = 0;
    const { processID } = client as unknown as { readonly processID: number | null };
    client
      .query(PREPARE_ALARM_SESSION)
      .then((results: unknown) => {
        const [first] = results as readonly { readonly rows: readonly { readonly pid: number }[] }[];
        // PgBouncer gives its clients a number of its own. A lock of the session would stay on a connection that others use.
        if (first!.rows[0]!.pid === processID) this.#client = client;
        else this.#onPooled();
        this.#rings.call(true);
      })
      .catch(() => {});
  }

  #onPooled(): void {
    this.#endCurrent();
    if (!this.#isPooledSaid) this.#options.log.info({ server: this.#server, hint: POOLED }, 'outbox.polling');
    this.#isPooledSaid = true;
  }

  #onLost(error: unknown): void {
    this.#client = null;
    this.#isLockOurs = false;
    if (this.#isStopped) return;
    this.#rings.call(true);
    this.#problem.report(() =>
      this.#options.log.warn(
        { server: this.#server, code: errorCode(error), error: errorMessage(error), hint: UNHEARD },
        'outbox.listen_failed',
      ),
    );
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), backoff(BACKOFF, this.#failures, Math.random())).unref();
  }
}
