import { isDelivered, type Outcome } from '../retry/attempt.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import { ConcurrencyWindow } from './concurrency-window.ts';
import { RateLimiter } from './rate-limiter.ts';

export type LimiterOptions = BreakerLimits & {
  /** Attempts in flight at once in this worker. CONCURRENCY. */
  readonly slots: number;
  /** Without an answer for this time, in ms, and for twice its mean response time, an endpoint is unresponsive. PARK_AFTER_MS. */
  readonly unresponsiveAfterMs: number;
};

/** The limits of one endpoint in this worker: this worker's share of the limits of the group. */
export type EndpointLimits = {
  /** Why the endpoint is paused; null: it is not paused. */
  readonly paused: string | null;
  /** Attempts in flight at once, at least 1; null: no limit. */
  readonly concurrency: number | null;
  /** Requests per second; null: no limit. */
  readonly ratePerSecond: number | null;
};

export const NO_LIMITS: EndpointLimits = { paused: null, concurrency: null, ratePerSecond: null };

/** How many slots one endpoint may use, given the slots that all other endpoints use. */
export type SlotShare = {
  /** For an endpoint that answers. */
  readonly responsive: number;
  /** For an endpoint that has not answered yet, or became unresponsive. */
  readonly untested: number;
  /** True if an untested endpoint without an attempt in flight may start one, although `untested` is used up. */
  readonly firstAttempt: boolean;
  /** True if one more probe of a half-open breaker may start. */
  readonly probe: boolean;
};

/** What the result of an attempt means for the limiter of its endpoint. */
export type LimiterSignal = 'success' | 'failure' | 'overload' | 'timeout' | 'ignore';

/** The first window of an endpoint: this many attempts, or a sixteenth of the slots if that is more. */
const INITIAL_WINDOW = 10;
/** After this time without an attempt, the limiter forgets the window that the endpoint had reached. In milliseconds. */
const IDLE_RESET_MS = 10_000;
/** An endpoint is slow if its mean response time is at least this many times PARK_AFTER_MS. */
const SLOW_FACTOR = 3;
/** Weight of the newest response time in the mean. */
const EWMA_WEIGHT = 0.1;
const OVERLOAD_STATUSES = new Set([429, 502, 503, 504]);

export function signalOf(outcome: Outcome): LimiterSignal {
  switch (outcome.kind) {
    case 'responded':
      if (isDelivered(outcome)) return 'success';
      if (OVERLOAD_STATUSES.has(outcome.status)) return 'overload';
      // A 404 also proves that the endpoint answers.
      return outcome.status >= 500 ? 'failure' : 'success';
    case 'unreachable':
      return 'overload';
    case 'timedOut':
      return 'timeout';
    case 'blocked':
    case 'held':
    case 'aborted':
    case 'localFault':
    case 'filtered':
    case 'undeliverable':
    case 'lostAttempts':
    case 'noCapacity':
    case 'expired':
    case 'notDue':
      return 'ignore';
  }
}

/**
 * Limits the attempts in flight at one endpoint: a concurrency window that grows and shrinks with the endpoint's answers, a
 * circuit breaker, a rate limiter, and an operator's pause and caps. Pure: decides, without effects. Times in milliseconds, on
 * the caller's clock.
 */
export class EndpointLimiter {
  readonly breaker: CircuitBreaker;
  readonly window: ConcurrencyWindow;
  readonly #options: LimiterOptions;
  readonly #initialWindow: number;
  #limits: EndpointLimits = NO_LIMITS;
  #rateLimiter: RateLimiter | null = null;
  #inFlight = 0;
  #probes = 0;
  /** The endpoint answers: the size of its window is measured. */
  #isResponsive = false;
  /** The endpoint answered before, and became unresponsive with more attempts in flight than its initial window. */
  #isStuck = false;
  #lastAnswerAt = Number.NEGATIVE_INFINITY;
  #meanMs = 0;

  constructor(options: LimiterOptions) {
    this.#options = options;
    this.#initialWindow = Math.max(INITIAL_WINDOW, Math.floor(options.slots / 16));
    this.breaker = new CircuitBreaker(options);
    this.window = new ConcurrencyWindow(this.#initialWindow, options.slots);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Probes of the half-open breaker in flight. */
  get probes(): number {
    return this.#probes;
  }

  /**
   * `responsive`: the endpoint answers. `untested`: it has not answered yet. `unresponsive`: it stopped answering, and still
   * holds the slots that it got while it answered.
   */
  get responsiveness(): 'responsive' | 'untested' | 'unresponsive' {
    if (this.#isResponsive) return 'responsive';
    return this.#isStuck ? 'unresponsive' : 'untested';
  }

  get limits(): EndpointLimits {
    return this.#limits;
  }

  /** Sets the limits of the operator, the endpoint's row and the settings, from now on. */
  applyLimits(limits: EndpointLimits): void {
    if (limits.ratePerSecond !== this.#limits.ratePerSecond)
      this.#rateLimiter = limits.ratePerSecond === null ? null : new RateLimiter(limits.ratePerSecond);
    this.#limits = limits;
  }

  /** How many more attempts may start now. */
  availablePermits(now: number, share: SlotShare): number {
    if (this.#limits.paused !== null) return 0;
    return Math.max(
      0,
      Math.min(
        this.#maxInFlight(now, share) - this.#inFlight,
        this.#limits.concurrency === null
          ? Number.POSITIVE_INFINITY
          : this.#limits.concurrency - this.#inFlight,
        this.#rateLimiter === null ? Number.POSITIVE_INFINITY : this.#rateLimiter.available(now),
      ),
    );
  }

  /**
   * True if the endpoint's own limit holds it back: a cap, a rate, a window smaller than the share, or no answer yet. If false,
   * the endpoint could use every slot that this worker can give.
   */
  isSelfLimited(share: SlotShare): boolean {
    const isCapped = this.#limits.concurrency !== null || this.#rateLimiter !== null;
    return isCapped || !this.#isResponsive || this.window.size < share.responsive;
  }

  /** True if the endpoint is untested, and other untested endpoints use the slots that it could still use. */
  isStarvedByOthers({ untested }: SlotShare): boolean {
    return !this.#isResponsive && untested <= this.#inFlight && this.#inFlight < this.#initialWindow;
  }

  /** True if the endpoint responds slowly: a slot that it gets stays in use for long. */
  isSlow(): boolean {
    return this.#meanMs >= SLOW_FACTOR * this.#options.unresponsiveAfterMs;
  }

  /** True if attempts are in flight, and none was answered within the answer timeout. */
  isUnresponsive(now: number): boolean {
    return this.#inFlight > 0 && now - this.#lastAnswerAt > this.#answerTimeoutMs();
  }

  /** @returns True if this attempt is a probe: `release` needs that as `isProbe`. */
  acquire(now: number): boolean {
    if (this.#inFlight === 0) {
      if (now - this.#lastAnswerAt > IDLE_RESET_MS) this.#reset();
      this.#lastAnswerAt = now;
    }
    this.#inFlight++;
    this.window.onAcquired(this.#inFlight, now);
    this.#rateLimiter?.take(now);
    if (this.breaker.isClosed()) return false;
    this.#probes++;
    return true;
  }

  /**
   * @param attempt.retryAfterMs The endpoint's own Retry-After, or 0.
   * @param random From 0 (included) to 1 (excluded).
   */
  release(
    attempt: {
      readonly signal: LimiterSignal;
      readonly isProbe: boolean;
      readonly durationMs: number;
      readonly retryAfterMs: number;
    },
    now: number,
    random: number,
  ): void {
    const { signal, isProbe, durationMs } = attempt;
    this.#inFlight--;
    if (isProbe) this.#probes--;
    if (this.#inFlight === 0) this.#isStuck = false;
    if (signal === 'ignore') return;
    if (signal !== 'timeout') this.#lastAnswerAt = now;
    if (signal === 'success') {
      this.#meanMs =
        this.#meanMs === 0 ? durationMs : this.#meanMs + EWMA_WEIGHT * (durationMs - this.#meanMs);
      this.window.onSuccess(now, this.#answerTimeoutMs());
      this.#isResponsive = true;
      this.#isStuck = false;
      this.breaker.onSuccess(now);
      return;
    }
    if (signal !== 'failure') this.window.onOverload(now, this.#answerTimeoutMs());
    this.breaker.onFailure(now, isProbe, durationMs, attempt.retryAfterMs, random);
    if (!this.breaker.isClosed()) this.#reset();
  }

  /** Leaves out a pause of this process, in milliseconds: the worker could not receive answers during the pause. */
  shiftClock(ms: number): void {
    this.#lastAnswerAt += ms;
  }

  /** Checks whether the endpoint became unresponsive. To be called regularly while attempts are in flight. */
  refresh(now: number): void {
    if (!this.#isResponsive || !this.isUnresponsive(now)) return;
    this.#isResponsive = false;
    this.#isStuck = this.#inFlight > this.#initialWindow;
  }

  #maxInFlight(now: number, share: SlotShare): number {
    if (!this.breaker.isClosed())
      return this.breaker.isHalfOpen(now) && share.probe && this.#probes === 0 ? this.#inFlight + 1 : 0;
    if (this.#isResponsive) return Math.min(this.window.size, share.responsive);
    if (this.#inFlight === 0 && share.firstAttempt)
      return Math.min(this.#initialWindow, Math.max(1, share.untested));
    return Math.min(this.#initialWindow, share.untested);
  }

  #answerTimeoutMs(): number {
    return Math.max(this.#options.unresponsiveAfterMs, 2 * this.#meanMs);
  }

  #reset(): void {
    this.#isResponsive = false;
    this.window.reset();
  }
}
