import type { EndpointLimits, LimiterOptions } from '../../core/capacity/endpoint-limiter.ts';

/** What the rooms of all endpoints have in common. */
export type AdmissionOptions = LimiterOptions & {
  /** The longest Retry-After that is believed, in milliseconds. RETRY_AFTER_MAX_MS. */
  readonly retryAfterMaxMs: number;
  /** Endpoints that are remembered at most. MAX_TRACKED_ENDPOINTS. */
  readonly maxEndpoints: number;
  /** What no operator has said anything else about. */
  readonly limits: EndpointLimits;
  /** Whether this worker itself has no time left. */
  isBusy(): boolean;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** From 0 (included) to 1 (excluded). */
  random(): number;
};
