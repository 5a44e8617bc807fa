import type { LimiterOptions } from '../../core/capacity/endpoint-limiter.ts';
import type { EndpointLimits } from '../../core/capacity/endpoint-limits.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';

/** Options that all endpoint limiters share. */
export type AdmissionOptions = LimiterOptions & {
  /** The longest Retry-After that is obeyed, in milliseconds. A longer one is cut to it. RETRY_AFTER_MAX_MS. */
  readonly retryAfterMaxMs: number;
  /** The most endpoints that this worker tracks. MAX_TRACKED_ENDPOINTS. */
  readonly maxEndpoints: number;
  /** Limits of an endpoint until `applyLimits` gives others. */
  readonly limits: EndpointLimits;
  /** True if the event loop of this worker has no time left. */
  isBusy(): boolean;
  readonly log: Pick<Logger, 'info'>;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};
