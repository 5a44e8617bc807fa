import type { AttemptInFlight } from './attempts-in-flight.ts';
import type { CapOwner } from './cap-share.ts';
import { CircuitBreaker, type FailedAttempt } from './circuit-breaker.ts';
import type { FailureRun } from './failure-run.ts';
import { isHostFailure, type LimiterSignal } from './limiter-signal.ts';
import type { Origin, OriginResult } from './origin.ts';

/** How an attempt ended, for the breakers. */
type EndedAttempt = Pick<FailedAttempt, 'durationMs' | 'retryAfterMs' | 'hung'> & {
  readonly signal: LimiterSignal;
};

/**
 * The circuit breaker of an endpoint, together with those of its origin: an attempt passes only if both let it. Failures to reach the
 * host count for the origin alone.
 */
export class EndpointBreaker {
  readonly #own: CircuitBreaker;
  /** Null: only the key of the endpoint is known. Then all failures count for the endpoint. */
  origin: Origin | null = null;
  /** Whose cap and rate the endpoint has. */
  capOwner: CapOwner = 'own';

  /** @param run What is known of the endpoint already. */
  constructor(run?: FailureRun) {
    this.#own = new CircuitBreaker(run);
  }

  isClosed(): boolean {
    return this.#own.isClosed() && (this.origin === null || this.origin.isClosed());
  }

  /** True if the endpoint has no trouble of its own: only its origin may have. */
  isOwnClosed(): boolean {
    return this.#own.isClosed();
  }

  /** True if nothing may test the endpoint before a time of its own, such as its Retry-After. */
  isOwnOpen(now: number): boolean {
    return !this.#own.isClosed() && !this.#own.isHalfOpen(now);
  }

  /** True if a probe may test the endpoint, or its origin. */
  isHalfOpen(now: number): boolean {
    if (this.isClosed()) return false;
    const isOwnPassable = this.#own.isClosed() || this.#own.isHalfOpen(now);
    return isOwnPassable && (this.origin?.isPassable(now, false) ?? true);
  }

  /** The same for a message that has just arrived: it may be the probe a little earlier. */
  isHalfOpenForFresh(now: number): boolean {
    if (this.isClosed()) return false;
    const isOwnPassable = this.#own.isClosed() || this.#own.isHalfOpenForFresh(now);
    return isOwnPassable && (this.origin?.isPassable(now, true) ?? true);
  }

  /** No attempt passes before this time; null while the breaker is closed. */
  get openUntil(): number | null {
    if (this.isClosed()) return null;
    return Math.max(this.#own.openUntil ?? 0, this.origin?.openUntil ?? 0);
  }

  get hasSucceeded(): boolean {
    return this.#own.hasSucceeded;
  }

  /** True if the endpoint succeeded last, and so may test its open origin at once. */
  mayTestEarly(): boolean {
    return this.#own.isWell && this.origin !== null && !this.origin.isClosed() && this.origin.trustsWell;
  }

  counts(now: number) {
    return this.#own.counts(now);
  }

  halfOpen(now: number): void {
    this.#own.halfOpen(now);
  }

  /** Called when an attempt begins. @param capOwner Whose cap the attempt counts for. */
  start(attempt: AttemptInFlight, capOwner: CapOwner): void {
    attempt.atOrigin = this.origin?.start(capOwner, this.#own.isWell) ?? null;
    attempt.origin = this.origin;
  }

  /** @param random From 0 (included) to 1 (excluded). */
  end(attempt: AttemptInFlight, ended: EndedAttempt, now: number, random: number): void {
    const { origin, atOrigin, number, isProbe, isRetry } = attempt;
    const { signal, durationMs, retryAfterMs, hung } = ended;
    const ofOrigin = originResult(signal, isRetry, durationMs);
    if (origin !== null) origin.end(atOrigin!, this, ofOrigin, now, random);
    if (signal === 'ignore') return;
    if (signal === 'success') this.#own.onSuccess(number, now);
    else if (origin === null || !isHostFailure(signal)) {
      const isEvidence = !isRetry || isHostFailure(signal);
      this.#own.onFailure({ number, isProbe, isEvidence, durationMs, retryAfterMs, hung }, now, random);
    } else this.#own.countFailure(now);
  }
}

function originResult(signal: LimiterSignal, isRetry: boolean, durationMs: number): OriginResult | null {
  if (signal === 'ignore') return null;
  const kind = signal === 'success' ? 'delivered' : isHostFailure(signal) ? 'unreached' : 'failed';
  return { kind, isRetry, durationMs };
}
