import { setTimeout as wait } from 'node:timers/promises';
import type { NatsLog } from './client.ts';

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5000;
/** The share by which a pause is shortened or lengthened, so that many workers never knock in step. */
const JITTER = 0.25;
const SAY_EVERY_MS = 10_000;

export interface Patience {
  /**
   * Says `reason` (the first time and when it is a new one at once, then every 10 s) and waits: 0.25 s, doubled each
   * time up to 5 s, give or take 25 %.
   *
   * @throws the signal's reason, as soon as the signal is aborted.
   */
  pause(reason: string): Promise<void>;
}

/** For trying again until it works, without flooding the log or the server. */
export function createPatience(log: NatsLog, signal: AbortSignal): Patience {
  let pauseMs = FIRST_PAUSE_MS;
  let saidAt = 0;
  let said = '';
  return {
    async pause(reason) {
      signal.throwIfAborted();
      if (reason !== said || Date.now() - saidAt >= SAY_EVERY_MS) {
        log.warn(reason);
        said = reason;
        saidAt = Date.now();
      }
      const jittered = pauseMs * (1 - JITTER + 2 * JITTER * Math.random());
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
      await wait(jittered, undefined, { signal }).catch(() => signal.throwIfAborted());
    },
  };
}
