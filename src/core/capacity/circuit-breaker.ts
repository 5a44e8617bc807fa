import { jittered } from '../retry/backoff.ts';

/** When a circuit breaker opens. */
export type BreakerLimits = {
  /** Share of failed attempts, above 0 and up to 1, from which on it opens. BREAKER_FAILURE_RATE. */
  readonly failureRateThreshold: number;
  /** Over how long the share is taken, in milliseconds. BREAKER_WINDOW_MS. */
  readonly windowMs: number;
};

/** Fewer attempts say nothing about a share; and as many failures in a row, however slow, say enough. */
const MIN_ATTEMPTS = 10;
/** So many of what has never succeeded. */
const MIN_FAILURES_UNTESTED = 3;
/** How long it stays open at least and at most, in milliseconds, give or take 25 %. */
const OPEN_MS = { min: 250, max: 30_000 };
/**
 * Between these, a share of the time that the endpoint has been failing: one that is back after a blip is found at once, its
 * messages have their attempts in about the time that they would have had, and an outage of hours uses up few of them.
 */
const OPEN_SHARE_OF_OUTAGE = 1 / 30;
/** And so many times as long as the probe took: one that hangs is not to have a slot all the time. */
const OPEN_PER_PROBE_DURATION = 5;
const JITTER = 0.25;

type Counts = { successes: number; failures: number };

/**
 * A circuit breaker. Closed: everything passes. Open: nothing does, until its time is over. Half-open then: one probe at
 * a time passes; a success closes it, a failure opens it again, the longer the longer it has failed. Times in milliseconds, on
 * the caller's clock.
 */
export class CircuitBreaker {
  readonly #limits: BreakerLimits;
  /** Two halves of the window: the share is taken over the current one and the one before. */
  #current: Counts = { successes: 0, failures: 0 };
  #previous: Counts = { successes: 0, failures: 0 };
  #halfStartedAt = 0;
  #failuresInARow = 0;
  #hasSucceeded = false;
  #openUntil: number | null = null;
  /** When it opened first, and has not been closed since. */
  #openSince = 0;

  constructor(limits: BreakerLimits) {
    this.#limits = limits;
  }

  isClosed(): boolean {
    return this.#openUntil === null;
  }

  /** Its time is over: a probe may tell. */
  isHalfOpen(now: number): boolean {
    return this.#openUntil !== null && now >= this.#openUntil;
  }

  /** Until when nothing passes; null while it is closed. */
  get openUntil(): number | null {
    return this.#openUntil;
  }

  /** What the attempts of the last window came to. */
  counts(now: number): Readonly<Counts> {
    this.#rotate(now);
    return {
      successes: this.#current.successes + this.#previous.successes,
      failures: this.#current.failures + this.#previous.failures,
    };
  }

  /** Half-open from now on, where it was closed: what is known is old, and one probe is to say whether it still holds. */
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
   * @param isProbe Whether it was let through to probe.
   * @param durationMs How long that took.
   * @param retryAfterMs How long the endpoint itself asked for, or 0.
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

  /** Starts anew: what failed before must not open it again at the next failure. */
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
