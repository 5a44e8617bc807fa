import { afterFailure, untilFullLook } from '../core/outbox/pace.ts';
import type { RowOutcome } from '../core/outbox/publish-outcome.ts';
import type { Clock } from '../runtime/clock.ts';
import { errorMessage } from '../runtime/failure.ts';
import type { Service } from '../runtime/service.ts';
import type { Idle } from './idle.ts';
import type { Batch, BatchRequest, Look, MessagePublisher, WorkQueue } from './ports.ts';
import type { RelayReport } from './relay-report.ts';

export type PublishLoopOptions = {
  readonly queue: WorkQueue;
  readonly publisher: Pick<MessagePublisher, 'isConnected'>;
  readonly idle: Idle;
  readonly report: RelayReport;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};

/** How often a loop looks whether NATS is back, in milliseconds. */
const NATS_AWAY_MS = 100;
const NATS_AWAY = 'the connection to NATS is lost';

/** Works off one queue until it is stopped: batch after batch, and waits where there is nothing to do, or something fails. */
export class PublishLoop implements Service {
  readonly name: string;
  readonly #options: PublishLoopOptions;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();
  /** In a row. */
  #failures = 0;
  readonly #request: Omit<BatchRequest, 'most'> = {
    begin: () => this.#begin(),
    mayGoAhead: () => !this.#isStopped && this.#failures === 0 && this.#options.publisher.isConnected(),
  };
  #fullLook = { at: Number.NEGATIVE_INFINITY, tookMs: 0, hasFound: false };

  constructor(options: PublishLoopOptions) {
    this.name = `outbox ${options.queue.name}`;
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Resolves when the batch in progress is committed. The idle waits end by `Idle.stop`. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return this.#running;
  }

  async #run(): Promise<void> {
    const { queue, publisher, idle, report } = this.#options;
    while (!this.#isStopped || queue.isAhead) {
      // While NATS is away no transaction is opened: it would keep rows locked, and dead rows alive.
      if (!publisher.isConnected() && !this.#isStopped) {
        report.trouble(queue.name, 'nats', NATS_AWAY);
        await idle.pause(this, NATS_AWAY_MS);
        continue;
      }
      report.over(queue.name, 'nats');
      const pauseMs = await this.#look();
      if (pauseMs > 0) await idle.pause(this, pauseMs);
    }
  }

  /** One look. Returns how long to wait before the next one, in milliseconds. */
  async #look(): Promise<number> {
    const { queue, idle, report, clock, random } = this.#options;
    // After a failure, one row shows whether NATS takes messages again.
    const most = this.#failures > 0 ? 1 : Number.POSITIVE_INFINITY;
    // It began while the batch that failed had locked its rows.
    const isBeforeFailure = this.#failures > 0 && queue.isAhead === true;
    let batch: Batch;
    try {
      batch = await queue.settleBatch({ ...this.#request, most });
    } catch (error) {
      this.#failures += 1;
      report.trouble(queue.name, 'postgres', errorMessage(error));
      return afterFailure(this.#failures, random());
    }
    report.over(queue.name, 'postgres');
    const { outcomes, isFull, leavesOut } = batch;
    if (outcomes.length === 0 && isBeforeFailure) return 0;
    if (outcomes.length === 0) {
      this.#wellAgain();
      // After a full look, everything that waits is known, and a later commit wakes the relay.
      const untilNext = Math.max(1, this.#nextFullLookAt() - clock.now());
      await idle.rest(this, isFull ? Number.POSITIVE_INFINITY : untilNext, leavesOut);
      return 0;
    }
    idle.found(this, outcomes.length);
    report.count(outcomes);
    return this.#judge(outcomes);
  }

  /** A look begins. */
  #begin(): Look {
    const { idle, clock } = this.#options;
    const startedAt = clock.now();
    const isFull = startedAt >= this.#nextFullLookAt();
    idle.looking(this);
    return {
      isFull,
      onClaimed: (rows) => {
        const now = clock.now();
        if (isFull) this.#fullLook = { at: now, tookMs: now - startedAt, hasFound: rows > 0 };
      },
    };
  }

  #nextFullLookAt(): number {
    const { at, tookMs, hasFound } = this.#fullLook;
    return at + untilFullLook(tookMs, hasFound);
  }

  #judge(outcomes: readonly RowOutcome[]): number {
    const { queue, report, random } = this.#options;
    const trouble = outcomes.find((outcome) => outcome.kind === 'left' && outcome.scope === 'all');
    if (trouble?.kind !== 'left') {
      this.#wellAgain();
      return 0;
    }
    this.#failures += 1;
    report.trouble(queue.name, 'stream', trouble.trouble);
    return afterFailure(this.#failures, random());
  }

  #wellAgain(): void {
    this.#failures = 0;
    this.#options.report.over(this.#options.queue.name, 'stream');
  }
}
