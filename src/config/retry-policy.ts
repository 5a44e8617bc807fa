import type { RetryPolicy } from '../core/retry/verdict.ts';
import type { Settings } from './settings.ts';

const HOUR_MS = 3_600_000;

/** The policy for messages that name their URL, and for everything that a row does not set. */
export function retryPolicy(settings: Settings): RetryPolicy {
  const { RETRY_SCHEDULE: schedule } = settings;
  return {
    maxAttempts: settings.MAX_ATTEMPTS,
    terminalStatuses: new Set(settings.TERMINAL_STATUSES),
    backoff: {
      baseMs: settings.BACKOFF_BASE_MS,
      maxMs: settings.BACKOFF_MAX_MS,
      multiplier: 2,
      retryAfterMaxMs: settings.RETRY_AFTER_MAX_MS,
      ...(schedule !== undefined && { schedule }),
    },
  };
}

/** MAX_AGE_HOURS, in milliseconds; 0: no limit. */
export function maxAgeMs(settings: Settings): number {
  return settings.MAX_AGE_HOURS * HOUR_MS;
}
