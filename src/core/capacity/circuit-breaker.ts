import { jittered } from '../retry/backoff.ts';

/** When a circuit breaker opens. */
export type BreakerLimits = {
  /** The breaker opens when at least this share of the attempts fails. Above 0, at most 1. BREAKER_FAILURE_RATE. */
  readonly failureRateThreshold: number;
  /** The share is computed over the attempts of this time, in milliseconds. BREAKER_WINDOW_MS. */
  readonly windowMs: number;
};

/**
 * Below this number of attempts, the failure rate is ignored. From this number of failures in a row on, the breaker opens,
 * however long they took.
 */
const MIN_ATTEMPTS = 10;
/** This many failures in a row open the breaker of an endpoint that has never succeeded. */
const MIN_FAILURES_UNTESTED = 3;
/** The shortest and the longest time that the breaker stays open, in milliseconds, plus or minus 25 %. */
const OPEN_MS = { min: 250, max: 30_000 };
/**
 * Between the two bounds, the breaker stays open for this share of the outage so far. So the end of a short outage is noticed
 * at once, messages get their attempts about when they would have got them anyway, and an outage of hours uses up few attempts.
 */
const OPEN_SHARE_OF_OUTAGE = 1 / 30;
/**
 * Within the same bounds, the breaker stays open for at least this many times the duration of the last probe: an endpoint that
 * hangs must not hold a slot all the time.
 */
const OPEN_PER_PROBE_DURATION = 5;
const JITTER = 0.25;

type Counts = { successes: number; failures: number };

/**
 * A circuit breaker. Closed: every attempt passes. Open: no attempt passes until the open time is over. Then half-open: one probe
 * at a time passes. A successful probe closes the breaker; a failed probe opens it again, for longer as the outage gets longer.
 * Times in milliseconds, on the caller's clock.
 */
export class CircuitBreaker {
  readonly #limits: BreakerLimits;
  /** Two halves of the window: the failure rate is computed over the current half and the previous one. */
  #current: Counts = { successes: 0, failures: 0 };
  #previous: Counts = { successes: 0, failures: 0 };
  #halfStartedAt = 0;
  #failuresInARow = 0;
  #hasSucceeded = false;
  #openUntil: number | null = null;
  /** When the breaker left the closed state. */
  #openSince = 0;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  isClosed(): boolean {
    return this.#openUntil === null;
  }

  /** True if the open time is over: a probe may test the endpoint. */
  isHalfOpen(now: number): boolean {
    return this.#openUntil !== null && now >= this.#openUntil;
  }

  /** No attempt passes before this time; null while the breaker is closed. */
  get openUntil(): number | null {
    return this.#openUntil;
  }

  /** How many attempts of the last window succeeded, and how many failed. */
  counts(now: number): Readonly<Counts> {
    this.#rotate(now);
    return {
      successes: this.#current.successes + this.#previous.successes,
      failures: this.#current.failures + this.#previous.failures,
    };
  }

  /** Makes a closed breaker half-open: what is known of the endpoint is old, so one probe tests whether it still answers. */
  halfOpen(now: number): void {
    if (this.#openUntil !== null) return;
    this.#openUntil = now;
    this.#openSince = now;
  }

  onSuccess(now: number): void {
    this.#rotate(now);
    this.#failuresInARow = 0;
    this.#hasSucceeded = true;
    if (this.#openUntil !== null) this.#close();
    this.#current.successes++;
  }

  /**
   * @param isProbe True if the failed attempt was a probe.
   * @param durationMs How long the attempt took.
   * @param retryAfterMs The endpoint's own Retry-After, or 0.
   * @param random From 0 (included) to 1 (excluded).
   */
  onFailure(now: number, isProbe: boolean, durationMs: number, retryAfterMs: number, random: number): void {
    this.#rotate(now);
    this.#failuresInARow++;
    this.#current.failures++;
    if (this.#openUntil === null) {
      if (!this.#hasTripped(now)) return;
      this.#openSince = now;
      this.#open(now, durationMs, retryAfterMs, random);
    } else if (isProbe) {
      this.#open(now, durationMs, retryAfterMs, random);
    } else if (retryAfterMs > 0) {
      this.#openUntil = Math.max(this.#openUntil, now + retryAfterMs);
    }
  }

  #hasTripped(now: number): boolean {
    if (this.#failuresInARow >= (this.#hasSucceeded ? MIN_ATTEMPTS : MIN_FAILURES_UNTESTED)) return true;
    const { successes, failures } = this.counts(now);
    const attempts = successes + failures;
    return attempts >= MIN_ATTEMPTS && failures >= this.#limits.failureRateThreshold * attempts;
  }

  #open(now: number, durationMs: number, retryAfterMs: number, random: number): void {
    const wanted = Math.max(
      OPEN_SHARE_OF_OUTAGE * (now - this.#openSince),
      OPEN_PER_PROBE_DURATION * durationMs,
    );
    const openMs = Math.min(Math.max(wanted, OPEN_MS.min), OPEN_MS.max);
    const delayMs = jittered(openMs, JITTER, random);
    this.#openUntil = now + Math.max(delayMs, retryAfterMs);
  }

  /** Also resets the counts: the failures before must not open the breaker again at the next failure. */
  #close(): void {
    this.#openUntil = null;
    this.#current = { successes: 0, failures: 0 };
    this.#previous = { successes: 0, failures: 0 };
  }

  #rotate(now: number): void {
    const halfMs = this.#limits.windowMs / 2;
    if (now - this.#halfStartedAt < halfMs) return;
    this.#previous = now - this.#halfStartedAt < 2 * halfMs ? this.#current : { successes: 0, failures: 0 };
    this.#current = { successes: 0, failures: 0 };
    this.#halfStartedAt = now;
  }
}
