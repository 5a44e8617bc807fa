import type { ProgramSettings } from './programs.ts';

/** ACK_WAIT_MS of the workers, in milliseconds. With the default of 60 s, the run would only take longer. */
export const ACK_WAIT_MS = 3000;

/** Short times, and so few slots that an unhealthy endpoint can fill them. */
const SETTINGS = {
  ACK_WAIT_MS: String(ACK_WAIT_MS),
  ATTEMPT_TIMEOUT_MS: '1500',
  CONCURRENCY: '20',
  // Enough until the endpoint recovers, so that no message becomes a dead letter.
  MAX_ATTEMPTS: '100',
  BACKOFF_BASE_MS: '100',
  BACKOFF_MAX_MS: '1000',
  STATS_INTERVAL_MS: '500',
  ALLOWED_PRIVATE_CIDRS: '127.0.0.0/8',
  HTTP_PORT: '0',
};

/** No attempt may time out, not even on a busy machine: each request must be one delivery. */
export const LONG_TIMEOUTS: ProgramSettings = { ATTEMPT_TIMEOUT_MS: '15000', ACK_WAIT_MS: '30000' };

/** The settings of the workers of a scene, with its own ones. */
export function workerSettings(own: ProgramSettings): ProgramSettings & Readonly<typeof SETTINGS> {
  return { ...SETTINGS, ...own };
}
