/** When a circuit breaker opens. */
export type BreakerLimits = {
  /** Share of failed attempts, above 0 and up to 1, from which on it opens. BREAKER_FAILURE_SHARE. */
  readonly failureShare: number;
  /** Over how long the share is taken, in milliseconds. BREAKER_WINDOW_MS. */
  readonly windowMs: number;
};

/** Fewer attempts say nothing about a share; and as many failures in a row, however slow, say enough. */
const FEWEST = 10;
/** So many of what has never succeeded. */
const FEWEST_AT_FIRST = 3;
/** How long it stays open at least and at most, in milliseconds, give or take 25 %. */
const OPEN_MS = { least: 250, most: 30_000 };
/**
 * Between these, a share of the time that the endpoint has been failing: one that is back after a blip is found at once, its
 * messages have their attempts in about the time that they would have had, and an outage of hours uses up few of them.
 */
const SHARE_OF_OUTAGE = 1 / 30;
/** And so many times as long as the probe took: one that hangs is not to have a slot all the time. */
const TIMES_PROBE = 5;
const JITTER = 0.25;

type Tally = { successes: number; failures: number };

/**
 * A circuit breaker. Closed: everything passes. Open: nothing does, until its time is over. Half-open then: one probe at
 * a time passes; a success closes it, a failure opens it again, the longer the longer it has failed. Times in milliseconds, on
 * the caller's clock.
 */
export class Breaker {
  readonly #limits: BreakerLimits;
  /** Two halves of the window: the share is taken over the current one and the one before. */
  #current: Tally = { successes: 0, failures: 0 };
  #before: Tally = { successes: 0, failures: 0 };
  #halfBegan = 0;
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
  tally(now: number): Readonly<Tally> {
    this.#roll(now);
    return {
      successes: this.#current.successes + this.#before.successes,
      failures: this.#current.failures + this.#before.failures,
    };
  }

  /** Half-open from now on, where it was closed: what is known is old, and one probe is to say whether it still holds. */
  doubt(now: number): void {
    if (this.#openUntil !== null) return;
    this.#openUntil = now;
    this.#openSince = now;
  }

  succeeded(now: number): void {
    this.#roll(now);
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
  failed(now: number, isProbe: boolean, durationMs: number, retryAfterMs: number, random: number): void {
    this.#roll(now);
    this.#failuresInARow++;
    this.#current.failures++;
    if (this.#openUntil === null) {
      if (!this.#isEnough(now)) return;
      this.#openSince = now;
      this.#open(now, durationMs, retryAfterMs, random);
    } else if (isProbe) {
      this.#open(now, durationMs, retryAfterMs, random);
    } else if (retryAfterMs > 0) {
      this.#openUntil = Math.max(this.#openUntil, now + retryAfterMs);
    }
  }

  #isEnough(now: number): boolean {
    if (this.#failuresInARow >= (this.#hasSucceeded ? FEWEST : FEWEST_AT_FIRST)) return true;
    const { successes, failures } = this.tally(now);
    const attempts = successes + failures;
    return attempts >= FEWEST && failures >= this.#limits.failureShare * attempts;
  }

  #open(now: number, durationMs: number, retryAfterMs: number, random: number): void {
    const wanted = Math.max(SHARE_OF_OUTAGE * (now - this.#openSince), TIMES_PROBE * durationMs);
    const openMs = Math.min(Math.max(wanted, OPEN_MS.least), OPEN_MS.most);
    const jittered = openMs * (1 - JITTER + 2 * JITTER * random);
    this.#openUntil = now + Math.max(jittered, retryAfterMs);
  }

  /** Starts anew: what failed before must not open it again at the next failure. */
  #close(): void {
    this.#openUntil = null;
    this.#current = { successes: 0, failures: 0 };
    this.#before = { successes: 0, failures: 0 };
  }

  #roll(now: number): void {
    const halfMs = this.#limits.windowMs / 2;
    if (now - this.#halfBegan < halfMs) return;
    this.#before = now - this.#halfBegan < 2 * halfMs ? this.#current : { successes: 0, failures: 0 };
    this.#current = { successes: 0, failures: 0 };
    this.#halfBegan = now;
  }
}
