import { setTimeout as wait } from 'node:timers/promises';
import { type BackoffOptions, backoff } from '../../core/retry/backoff.ts';
import type { NatsLog } from './client.ts';

/** With jitter, so that many workers never knock in step. */
const BACKOFF: BackoffOptions = { initialMs: 250, maxMs: 5000, jitter: 0.25 };
const LOG_EVERY_MS = 10_000;

export interface RetryDelay {
  /**
   * Tells the event (the first time and when its hint is a new one at once, then every 10 s) and waits: 0.25 s, doubled
   * each time up to 5 s, give or take 25 %.
   *
   * @throws the signal's reason, as soon as the signal is aborted.
   */
  wait(fields: Parameters<NatsLog['warn']>[0], event: string): Promise<void>;
}

/** For trying again until it works, without flooding the log or the server. */
export function createRetryDelay(log: NatsLog, signal: AbortSignal): RetryDelay {
  let failures = 0;
  let saidAt = 0;
  let said = '';
  return {
    async wait(fields, event) {
      signal.throwIfAborted();
      if (fields.hint !== said || Date.now() - saidAt >= LOG_EVERY_MS) {
        log.warn(fields, event);
        said = fields.hint;
        saidAt = Date.now();
      }
      failures += 1;
      await wait(backoff(BACKOFF, failures, Math.random()), undefined, { signal }).catch(() =>
        signal.throwIfAborted(),
      );
    },
  };
}
