import { setTimeout as wait } from 'node:timers/promises';
import type { NatsLog } from './client.ts';

const INITIAL_DELAY_MS = 250;
const MAX_DELAY_MS = 5000;
/** The share by which a pause is shortened or lengthened, so that many workers never knock in step. */
const JITTER = 0.25;
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
  let pauseMs = INITIAL_DELAY_MS;
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
      const jittered = pauseMs * (1 - JITTER + 2 * JITTER * Math.random());
      pauseMs = Math.min(MAX_DELAY_MS, pauseMs * 2);
      await wait(jittered, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
  };
}
