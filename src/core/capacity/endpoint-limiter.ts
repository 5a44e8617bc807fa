import { isDelivered, type Outcome } from '../retry/attempt.ts';
import { type BreakerLimits, CircuitBreaker } from './circuit-breaker.ts';
import { ConcurrencyWindow } from './concurrency-window.ts';
import { RateLimiter } from './rate-limiter.ts';

export type LimiterOptions = BreakerLimits & {
  /** Attempts under way at once in this worker. CONCURRENCY. */
  readonly slots: number;
  /** An endpoint that answers nothing for this long, in milliseconds, or for twice its usual time, is silent. PARK_AFTER_MS. */
  readonly unresponsiveAfterMs: number;
};

/** What somebody said about an endpoint; for this worker alone, its share of what the group may do. */
export type EndpointLimits = {
  /** An operator's pause: why, or null. */
  readonly paused: string | null;
  /** Attempts at once, at least 1; null: no cap. */
  readonly concurrency: number | null;
  /** Requests a second; null: no limit. */
  readonly ratePerSecond: number | null;
};

export const NO_LIMITS: EndpointLimits = { paused: null, concurrency: null, ratePerSecond: null };

/** How many slots this endpoint may have, as those of all others leave it. */
export type SlotShare = {
  /** For an endpoint that answers. */
  readonly responsive: number;
  /** For one that has not answered yet, or has fallen silent. */
  readonly untested: number;
  /** Whether one with nothing under way may have one attempt, though that leaves nothing. */
  readonly firstAttempt: boolean;
  /** Whether one more probe of a half-open breaker may be under way. */
  readonly probe: boolean;
};

/** What an attempt tells of its endpoint. */
export type LimiterSignal = 'success' | 'failure' | 'overload' | 'timeout' | 'ignore';

/** An endpoint is trusted with this many at first, or with a sixteenth of the slots. */
const INITIAL_WINDOW = 10;
/** After this long without an attempt, what the endpoint could bear is not known any more, in milliseconds. */
const IDLE_RESET_MS = 10_000;
/** An endpoint is slow when it takes so many times as long as one may be silent. */
const SLOW_FACTOR = 3;
/** Weight of the newest response time in the mean. */
const EWMA_WEIGHT = 0.1;
const OVERLOAD_STATUSES = new Set([429, 502, 503, 504]);

export function signalOf(outcome: Outcome): LimiterSignal {
  switch (outcome.kind) {
    case 'responded':
      if (isDelivered(outcome)) return 'success';
      if (OVERLOAD_STATUSES.has(outcome.status)) return 'overload';
      // A 404 is an answer.
      return outcome.status >= 500 ? 'failure' : 'success';
    case 'unreachable':
      return 'overload';
    case 'timedOut':
      return 'timeout';
    case 'blocked':
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
 * How many attempts one endpoint may have under way: a window that grows and shrinks with its answers, a circuit
 * breaker, an operator's word. Decides, and does nothing. Times in milliseconds, on the caller's clock.
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
  /** It answers: its window is earned. */
  #isResponsive = false;
  /** It answered, and then fell silent with more under way than its first window. */
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

  /** Probes of its half-open breaker under way. */
  get probes(): number {
    return this.#probes;
  }

  /** `proven` answers, `trial` has yet to answer, `stuck` holds what it was given while it still answered. */
  get responsiveness(): 'responsive' | 'untested' | 'unresponsive' {
    if (this.#isResponsive) return 'responsive';
    return this.#isStuck ? 'unresponsive' : 'untested';
  }

  get limits(): EndpointLimits {
    return this.#limits;
  }

  /** Says what an operator, or a setting, allows from now on. */
  applyLimits(limits: EndpointLimits): void {
    if (limits.ratePerSecond !== this.#limits.ratePerSecond)
      this.#rateLimiter = limits.ratePerSecond === null ? null : new RateLimiter(limits.ratePerSecond);
    this.#limits = limits;
  }

  /** How many more attempts may begin now. */
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
   * What keeps it from more is its own: a cap, a rate, a window that was halved, or that it has yet to answer. Else it bears all that
   * this worker can give.
   */
  isSelfLimited(share: SlotShare): boolean {
    const isCapped = this.#limits.concurrency !== null || this.#rateLimiter !== null;
    return isCapped || !this.#isResponsive || this.window.size < share.responsive;
  }

  /** It has yet to answer, and it is others that have yet to answer, too, that keep it from more. */
  isStarvedByOthers({ untested }: SlotShare): boolean {
    return !this.#isResponsive && untested <= this.#inFlight && this.#inFlight < this.#initialWindow;
  }

  /** It takes its time: what it has of this worker is gone for long. */
  isSlow(): boolean {
    return this.#meanMs >= SLOW_FACTOR * this.#options.unresponsiveAfterMs;
  }

  /** Nothing has come back for too long. */
  isUnresponsive(now: number): boolean {
    return this.#inFlight > 0 && now - this.#lastAnswerAt > this.#answerTimeoutMs();
  }

  /** @returns Whether this attempt is a probe: `left` wants to know. */
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
   * @param retryAfterMs How long the endpoint asked for, or 0.
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

  /** Nothing could be heard for so long, in milliseconds, since this worker stood still: that is not the endpoint's silence. */
  shiftClock(ms: number): void {
    this.#lastAnswerAt += ms;
  }

  /** Looks whether it has fallen silent. Call it now and then while attempts are under way. */
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
