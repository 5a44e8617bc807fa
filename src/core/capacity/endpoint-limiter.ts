import { type AttemptInFlight, AttemptsInFlight } from './attempts-in-flight.ts';
import type { Wish } from './cap-turns.ts';
import { ConcurrencyWindow } from './concurrency-window.ts';
import { EndpointBreaker } from './endpoint-breaker.ts';
import type { EndpointLimits } from './endpoint-limits.ts';
import type { FailureRun } from './failure-run.ts';
import { isHostFailure, isSilence, type LimiterSignal } from './limiter-signal.ts';
import { LimitsInForce } from './limits-in-force.ts';
import { Responsiveness } from './responsiveness.ts';
import type { SlotShare } from './slot-share.ts';

export type LimiterOptions = {
  /** Attempts in flight at once in this worker. CONCURRENCY. */
  readonly slots: number;
  /** Without an answer for this time, in ms, and for twice its mean response time, an endpoint is unresponsive. PARK_AFTER_MS. */
  readonly unresponsiveAfterMs: number;
};

/**
 * Which message asks: a first attempt of a message that has just arrived, a first attempt of a parked one, or a retry.
 */
export type AttemptKind = 'fresh' | 'parked' | 'retry';

/** The first window of an endpoint: this many attempts, or a sixteenth of the slots if that is more. */
const INITIAL_WINDOW = 10;
/** After this time without an attempt, the limiter forgets the window that the endpoint had reached. In milliseconds. */
const IDLE_RESET_MS = 10_000;
/** Retries may use this share of a window and of a cap, and this one of the budget for hung attempts. First attempts may use all. */
const RETRY_SHARE = { window: 1 / 2, hung: 1 / 4 };
/** Interval between two extra attempts, in milliseconds. */
const EXTRA_EVERY_MS = 200;

/**
 * Limits the attempts in flight at one endpoint: a concurrency window that grows and shrinks with the endpoint's answers, a
 * circuit breaker, a rate limiter, and an operator's pause and caps. Pure: decides, without effects. Times in milliseconds, on
 * the caller's clock.
 *
 * A message that always fails must not stop the others. So only first attempts open the breaker, retries have half of the window,
 * and an attempt that the endpoint is silent about while it answers others leaves the window.
 */
export class EndpointLimiter {
  readonly breaker: EndpointBreaker;
  readonly window: ConcurrencyWindow;
  readonly #initialWindow: number;
  readonly #attempts = new AttemptsInFlight();
  readonly #limits: LimitsInForce;
  readonly #answers: Responsiveness;
  #extraAt = Number.NEGATIVE_INFINITY;

  /** @param run What is known of the endpoint already. */
  constructor(options: LimiterOptions, run?: FailureRun) {
    this.#answers = new Responsiveness(options.unresponsiveAfterMs);
    this.breaker = new EndpointBreaker(run);
    this.#limits = new LimitsInForce(this.breaker);
    this.#initialWindow = Math.max(INITIAL_WINDOW, Math.floor(options.slots / 16));
    this.window = new ConcurrencyWindow(this.#initialWindow, options.slots);
  }

  get inFlight(): number {
    return this.#attempts.total;
  }

  /** Attempts in flight that count in the window. */
  get inWindow(): number {
    return this.#attempts.inWindow;
  }

  /** Attempts in flight outside of the window: hung and extra ones. */
  get outsideWindow(): number {
    return this.#attempts.total - this.#attempts.inWindow;
  }

  /** Probes of the half-open breaker in flight. */
  get probes(): number {
    return this.#attempts.probes;
  }

  /** Whether the endpoint answers. */
  get responsiveness(): 'responsive' | 'untested' | 'unresponsive' {
    return this.#answers.state;
  }

  get #isResponsive(): boolean {
    return this.#answers.state === 'responsive';
  }

  get limits(): EndpointLimits {
    return this.#limits.current;
  }

  /** Sets the limits of the operator, the endpoint's row and the settings, from now on. */
  applyLimits(limits: EndpointLimits): void {
    this.#limits.apply(limits);
  }

  /** How many more attempts of this kind may start now. @param wish Who waits for the permit. */
  availablePermits(now: number, share: SlotShare, kind: AttemptKind, wish: Wish = 'message'): number {
    const permits = this.limits.paused === null ? this.#permitsWithoutLimits(now, share, kind) : 0;
    return permits <= 0 ? 0 : Math.max(0, Math.min(permits, this.#allowed(wish, now)));
  }

  /**
   * True if a message that has just arrived may start, although the endpoint has no capacity or earlier messages are parked: some
   * messages of the endpoint keep it busy, and this message may be one that it answers. @param at When it is to start. @default now
   */
  mayStartExtra(now: number, share: SlotShare, at = now): boolean {
    const { hung, extra } = this.#attempts;
    if (this.limits.paused !== null || !this.breaker.isClosed() || !this.breaker.hasSucceeded) return false;
    if (at - this.#extraAt < EXTRA_EVERY_MS || extra >= share.hung) return false;
    if (hung === 0 && this.breaker.counts(now).failures === 0) return false;
    return this.#allowed('none', at) > 0;
  }

  /**
   * True if the endpoint's own limit holds it back: a cap, a rate, a window smaller than the share, hung attempts, or no answer
   * yet. If false, the endpoint could use every slot that this worker can give.
   */
  isSelfLimited(share: SlotShare): boolean {
    return (
      this.#limits.isCapped ||
      !this.#isResponsive ||
      this.isHungUp(share, 'parked') ||
      this.window.size < share.responsive
    );
  }

  /** True if the endpoint is untested, and other untested endpoints use the slots that it could still use. */
  isStarvedByOthers({ untested }: SlotShare): boolean {
    const { inWindow } = this.#attempts;
    return !this.#isResponsive && untested <= inWindow && inWindow < this.#initialWindow;
  }

  /** True if as many attempts hang as the endpoint may have. */
  isHungUp(share: SlotShare, kind: AttemptKind): boolean {
    const { hung, hungRetries } = this.#attempts;
    if (kind !== 'retry') return hung >= share.hung;
    return hungRetries >= Math.max(1, Math.floor(RETRY_SHARE.hung * share.hung)) || hung >= share.hung;
  }

  /** True if the endpoint responds slowly: a slot that it gets stays in use for long. */
  isSlow(): boolean {
    return this.#answers.times.isSlow();
  }

  /** True if first attempts are in flight, and none was answered within the answer timeout. */
  isUnresponsive(now: number): boolean {
    return this.#attempts.firstsInWindow > 0 && this.#answers.isSilent(now);
  }

  /** @param isExtra `mayStartExtra` allowed the attempt. */
  acquire(attempt: AttemptInFlight, now: number, isExtra = false): void {
    if (this.#attempts.total === 0 && now - this.#answers.answeredAt > IDLE_RESET_MS) this.#reset();
    if (this.#attempts.firstsInWindow === 0) this.#answers.onFirstStarted(now);
    this.#attempts.start(attempt, now, !this.breaker.isClosed(), isExtra);
    this.breaker.start(attempt, this.#limits.capOwner);
    if (isExtra) this.#extraAt = now;
    else this.window.onAcquired(this.#attempts.inWindow, now);
    this.#limits.take(now);
  }

  /**
   * @param result.retryAfterMs The endpoint's own Retry-After, or 0.
   * @param random From 0 (included) to 1 (excluded).
   */
  release(
    attempt: AttemptInFlight,
    result: { readonly signal: LimiterSignal; readonly durationMs: number; readonly retryAfterMs: number },
    now: number,
    random: number,
  ): void {
    const { signal, durationMs, retryAfterMs } = result;
    this.#attempts.end(attempt);
    if (this.#attempts.inWindow === 0) this.#answers.onWindowEmpty();
    const ended = { signal, durationMs, retryAfterMs, hung: this.#attempts.hungFirsts };
    this.breaker.end(attempt, ended, now, random);
    if (signal === 'ignore') return;
    if (!isSilence(signal)) this.#answers.onAnswered(now);
    const { times } = this.#answers;
    if (signal === 'success') {
      this.#answers.onSuccess(durationMs);
      this.window.onSuccess(now, times.answerTimeoutMs());
      return;
    }
    const isEvidence = !attempt.isRetry || isHostFailure(signal);
    if (isEvidence && signal !== 'failure') this.window.onOverload(now, times.answerTimeoutMs());
    if (!this.breaker.isClosed()) this.#reset();
  }

  /** Moves a hung attempt to another endpoint: its URL was split off. */
  moveHungTo(other: EndpointLimiter, attempt: AttemptInFlight): void {
    this.#attempts.moveHungTo(other.#attempts, attempt);
    attempt.origin?.moveTo(other.#limits.capOwner, attempt.atOrigin!);
  }

  /** Leaves out a pause of this process, in milliseconds: the worker could not receive answers during the pause. */
  shiftClock(ms: number): void {
    this.#answers.shiftClock(ms);
    this.#attempts.shiftClock(ms);
  }

  /** Checks for hung attempts, and whether the endpoint became unresponsive. Call it regularly while attempts are in flight. */
  refresh(now: number): void {
    if (this.breaker.hasSucceeded && this.breaker.isClosed())
      this.#attempts.moveHung(now - this.#answers.times.answerTimeoutMs(), this.#answers.answeredAt);
    if (this.#isResponsive && this.isUnresponsive(now))
      this.#answers.onUnresponsive(this.#attempts.inWindow > this.#initialWindow);
  }

  /** True while a probe of the endpoint, or of its origin, is in flight. */
  isProbed(): boolean {
    return this.#attempts.probes > 0 || (this.breaker.origin?.isProbed ?? false);
  }

  #permitsWithoutLimits(now: number, share: SlotShare, kind: AttemptKind): number {
    if (!this.breaker.isClosed()) return this.#mayProbe(now, share, kind) ? 1 : 0;
    if (this.isHungUp(share, kind)) return 0;
    const { total, inWindow, retriesInWindow } = this.#attempts;
    const window = this.#maxInWindow(share);
    const left = Math.min(window - inWindow, share.responsive - total);
    if (kind !== 'retry') return left;
    const forRetries = Math.max(1, Math.floor(RETRY_SHARE.window * Math.min(window, this.#limits.cap)));
    return Math.min(left, forRetries - retriesInWindow);
  }

  #allowed(wish: Wish, now: number): number {
    const usage = { inFlight: this.#attempts.total, isResponsive: this.#isResponsive };
    return this.#limits.allowed(usage, wish, now);
  }

  #mayProbe(now: number, share: SlotShare, kind: AttemptKind): boolean {
    if (!share.probe || this.isProbed()) return false;
    if (kind !== 'retry' && this.breaker.mayTestEarly()) return true;
    return kind === 'fresh' ? this.breaker.isHalfOpenForFresh(now) : this.breaker.isHalfOpen(now);
  }

  #maxInWindow(share: SlotShare): number {
    if (this.#isResponsive) return Math.min(this.window.size, share.responsive);
    if (this.#attempts.inWindow === 0 && share.firstAttempt)
      return Math.min(this.#initialWindow, Math.max(1, share.untested));
    return Math.min(this.#initialWindow, share.untested);
  }

  #reset(): void {
    this.#answers.reset();
    this.window.reset();
  }
}
