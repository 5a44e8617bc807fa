import { setTimeout as wait } from 'node:timers/promises';
import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import { ProblemLog } from '../../runtime/problem-log.ts';
import type { NatsLog } from './client.ts';

/** The share by which a wait is shortened or lengthened at random, so that many workers do not retry at the same time. */
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };
const LOG_EVERY_MS = 10_000;

export interface RetryDelay {
  /**
   * Logs the event, then waits. The event is logged at once the first time and when its hint changes, else every 10 s. The
   * wait is 0.25 s, doubled each time up to 5 s, plus or minus 25 %.
   *
   * @throws the reason of the signal, as soon as the signal is aborted.
   */
  wait(fields: Parameters<NatsLog['warn']>[0], event: string): Promise<void>;
}

/** For retries until a request succeeds, without flooding the log or the server. */
export function createRetryDelay(log: NatsLog, signal: AbortSignal): RetryDelay {
  let failures = 0;
  const problem = new ProblemLog({ againAfterMs: LOG_EVERY_MS });
  let said = '';
  return {
    async wait(fields, event) {
      signal.throwIfAborted();
      if (fields.hint !== said) problem.clear();
      said = fields.hint;
      problem.report(() => log.warn(fields, event));
      failures += 1;
      await wait(backoff(BACKOFF, failures, Math.random()), undefined, { signal }).catch(() =>
        signal.throwIfAborted(),
      );
    },
  };
}
