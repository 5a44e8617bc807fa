import { jittered } from '../retry/backoff.ts';
import { FailureRun } from './failure-run.ts';

/** The counts that are reported cover this time, in milliseconds. The breaker does not use them. */
const COUNTS_MS = 10_000;
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
/**
 * After this share of the open time, a message that has just arrived may be the probe. Parked messages wait for the whole time. So
 * a parked message that always fails cannot keep the breaker open while other messages arrive.
 */
const FRESH_PROBE_SHARE = 0.8;

type Counts = { successes: number; failures: number };

/** A failed attempt, as the breaker sees it. */
export type FailedAttempt = {
  /** Of the attempts in the order of their start. */
  readonly number: number;
  readonly isProbe: boolean;
  /** The failure may open the breaker. False for a retry that reached the host: the message may be the cause. */
  readonly isEvidence: boolean;
  readonly durationMs: number;
  /** The endpoint's own Retry-After, or 0. */
  readonly retryAfterMs: number;
  /** First attempts that the endpoint has been silent about while it answered others. */
  readonly hung: number;
};

/**
 * A circuit breaker. Closed: every attempt passes. Open: no attempt passes until the open time is over. Then half-open: one probe
 * at a time passes. A successful probe closes the breaker; a failed probe opens it again, for longer as the outage gets longer.
 * Times in milliseconds, on the caller's clock.
 */
export class CircuitBreaker {
  readonly #run: FailureRun;
  /** Two halves of the time of the counts. */
  #current: Counts = { successes: 0, failures: 0 };
  #previous: Counts = { successes: 0, failures: 0 };
  #halfStartedAt = 0;
  #openUntil: number | null = null;
  /** From this time on, a message that has just arrived may be the probe. */
  #freshProbeAt = 0;
  /** When the breaker left the closed state. */
  #openSince = 0;

  /** @param run What is known of the endpoint already. */
  constructor(run = new FailureRun()) {
    this.#run = run;
  }

  isClosed(): boolean {
    return this.#openUntil === null;
  }

  /** True if the open time is over: a probe may test the endpoint. */
  isHalfOpen(now: number): boolean {
    return this.#openUntil !== null && now >= this.#openUntil;
  }

  /** True if the breaker is half-open, or nearly so: a message that has just arrived may test the endpoint. */
  isHalfOpenForFresh(now: number): boolean {
    return this.#openUntil !== null && now >= this.#freshProbeAt;
  }

  /** No attempt passes before this time; null while the breaker is closed. */
  get openUntil(): number | null {
    return this.#openUntil;
  }

  get hasSucceeded(): boolean {
    return this.#run.hasSucceeded;
  }

  /** True if the breaker is closed, and nothing that may open it came after the last success. */
  get isWell(): boolean {
    return this.isClosed() && this.#run.isWell;
  }

  /** How many attempts of the last 10 s succeeded, and how many failed. */
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
    this.#freshProbeAt = now;
    this.#openSince = now;
  }

  /** Counts a failure that says nothing of the endpoint. */
  countFailure(now: number): void {
    this.#rotate(now);
    this.#current.failures++;
  }

  /** @param number Of the attempts in the order of their start. */
  onSuccess(number: number, now: number): void {
    this.#rotate(now);
    this.#run.onSuccess(number);
    if (this.#openUntil !== null) this.#close();
    this.#current.successes++;
  }

  /** @param random From 0 (included) to 1 (excluded). */
  onFailure(failed: FailedAttempt, now: number, random: number): void {
    const { isProbe, isEvidence, durationMs, retryAfterMs } = failed;
    this.#rotate(now);
    this.#current.failures++;
    if (this.#openUntil === null) {
      if (!isEvidence) return;
      this.#run.onFailure(failed.number);
      if (!this.#run.isOutage(failed.hung)) return;
      this.#openSince = now;
      this.#open(now, durationMs, retryAfterMs, random);
    } else if (isProbe) {
      this.#open(now, durationMs, retryAfterMs, random);
    } else if (isEvidence && retryAfterMs > 0) {
      this.#openUntil = Math.max(this.#openUntil, now + retryAfterMs);
      this.#freshProbeAt = Math.max(this.#freshProbeAt, now + retryAfterMs);
    }
  }

  #open(now: number, durationMs: number, retryAfterMs: number, random: number): void {
    const wanted = Math.max(
      OPEN_SHARE_OF_OUTAGE * (now - this.#openSince),
      OPEN_PER_PROBE_DURATION * durationMs,
    );
    const openMs = Math.min(Math.max(wanted, OPEN_MS.min), OPEN_MS.max);
    const delayMs = jittered(openMs, JITTER, random);
    this.#openUntil = now + Math.max(delayMs, retryAfterMs);
    this.#freshProbeAt = now + Math.max(FRESH_PROBE_SHARE * delayMs, retryAfterMs);
  }

  /** Also resets the counts: they tell of the outage. */
  #close(): void {
    this.#openUntil = null;
    this.#current = { successes: 0, failures: 0 };
    this.#previous = { successes: 0, failures: 0 };
  }

  #rotate(now: number): void {
    const halfMs = COUNTS_MS / 2;
    if (now - this.#halfStartedAt < halfMs) return;
    this.#previous = now - this.#halfStartedAt < 2 * halfMs ? this.#current : { successes: 0, failures: 0 };
    this.#current = { successes: 0, failures: 0 };
    this.#halfStartedAt = now;
  }
}
