import { isDelivered, type Outcome } from '../retry/attempt.ts';
import { Breaker, type BreakerLimits } from './circuit-breaker.ts';
import { Window } from './concurrency-window.ts';
import { Rate } from './rate-limiter.ts';

export type RoomLimits = BreakerLimits & {
  /** Attempts under way at once in this worker. CONCURRENCY. */
  readonly slots: number;
  /** An endpoint that answers nothing for this long, in milliseconds, or for twice its usual time, is silent. PARK_AFTER_MS. */
  readonly silentAfterMs: number;
};

/** What somebody said about an endpoint; for this worker alone, its share of what the group may do. */
export type RoomRule = {
  /** An operator's pause: why, or null. */
  readonly paused: string | null;
  /** Attempts at once, at least 1; null: no cap. */
  readonly concurrency: number | null;
  /** Requests a second; null: no limit. */
  readonly perSecond: number | null;
};

export const NO_RULE: RoomRule = { paused: null, concurrency: null, perSecond: null };

/** How many slots this endpoint may have, as those of all others leave it. */
export type Share = {
  /** For an endpoint that answers. */
  readonly proven: number;
  /** For one that has not answered yet, or has fallen silent. */
  readonly unproven: number;
  /** Whether one with nothing under way may have one attempt, though that leaves nothing. */
  readonly contact: boolean;
  /** Whether one more probe of a half-open breaker may be under way. */
  readonly probe: boolean;
};

/** What an attempt tells of its endpoint. */
export type Sign = 'well' | 'troubled' | 'overloaded' | 'silence' | 'nothing';

/** An endpoint is trusted with this many at first, or with a sixteenth of the slots. */
const FIRST_WINDOW = 10;
/** After this long without an attempt, what the endpoint could bear is not known any more, in milliseconds. */
const FORGET_MS = 10_000;
/** An endpoint is slow when it takes so many times as long as one may be silent. */
const SLOW = 3;
/** Weight of the newest response time in the mean. */
const NEWEST = 0.1;
const ANSWERS_OF_OVERLOAD = new Set([429, 502, 503, 504]);

export function signOf(outcome: Outcome): Sign {
  switch (outcome.kind) {
    case 'responded':
      if (isDelivered(outcome)) return 'well';
      if (ANSWERS_OF_OVERLOAD.has(outcome.status)) return 'overloaded';
      // A 404 is an answer.
      return outcome.status >= 500 ? 'troubled' : 'well';
    case 'unreachable':
      return 'overloaded';
    case 'timedOut':
      return 'silence';
    case 'refused':
    case 'aborted':
    case 'faulted':
    case 'unwanted':
    case 'unsendable':
    case 'spent':
    case 'noRoom':
    case 'expired':
    case 'early':
      return 'nothing';
  }
}

/**
 * How many attempts one endpoint may have under way: a window that grows and shrinks with its answers, a circuit
 * breaker, an operator's word. Decides, and does nothing. Times in milliseconds, on the caller's clock.
 */
export class Room {
  readonly breaker: Breaker;
  readonly window: Window;
  readonly #limits: RoomLimits;
  readonly #firstWindow: number;
  #rule: RoomRule = NO_RULE;
  #rate: Rate | null = null;
  #inFlight = 0;
  #probes = 0;
  /** It answers: its window is earned. */
  #proven = false;
  /** It answered, and then fell silent with more under way than its first window. */
  #stuck = false;
  #lastWordAt = Number.NEGATIVE_INFINITY;
  #meanMs = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
    this.#firstWindow = Math.max(FIRST_WINDOW, Math.floor(limits.slots / 16));
    this.breaker = new Breaker(limits);
    this.window = new Window(this.#firstWindow, limits.slots);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Probes of its half-open breaker under way. */
  get probes(): number {
    return this.#probes;
  }

  /** `proven` answers, `trial` has yet to answer, `stuck` holds what it was given while it still answered. */
  get standing(): 'proven' | 'trial' | 'stuck' {
    if (this.#proven) return 'proven';
    return this.#stuck ? 'stuck' : 'trial';
  }

  get rule(): RoomRule {
    return this.#rule;
  }

  /** Says what an operator, or a setting, allows from now on. */
  obey(rule: RoomRule): void {
    if (rule.perSecond !== this.#rule.perSecond)
      this.#rate = rule.perSecond === null ? null : new Rate(rule.perSecond);
    this.#rule = rule;
  }

  /** How many more attempts may begin now. */
  space(now: number, share: Share): number {
    if (this.#rule.paused !== null) return 0;
    return Math.max(
      0,
      Math.min(
        this.#bears(now, share) - this.#inFlight,
        this.#rule.concurrency === null ? Number.POSITIVE_INFINITY : this.#rule.concurrency - this.#inFlight,
        this.#rate === null ? Number.POSITIVE_INFINITY : this.#rate.allowed(now),
      ),
    );
  }

  /**
   * What keeps it from more is its own: a cap, a rate, a window that was halved, or that it has yet to answer. Else it bears all that
   * this worker can give.
   */
  isHeldBack(share: Share): boolean {
    const isCapped = this.#rule.concurrency !== null || this.#rate !== null;
    return isCapped || !this.#proven || this.window.size < share.proven;
  }

  /** It has yet to answer, and it is others that have yet to answer, too, that keep it from more. */
  isCrowdedOut({ unproven }: Share): boolean {
    return !this.#proven && unproven <= this.#inFlight && this.#inFlight < this.#firstWindow;
  }

  /** It takes its time: what it has of this worker is gone for long. */
  isSlow(): boolean {
    return this.#meanMs >= SLOW * this.#limits.silentAfterMs;
  }

  /** Nothing has come back for too long. */
  isSilent(now: number): boolean {
    return this.#inFlight > 0 && now - this.#lastWordAt > this.#patienceMs();
  }

  /** @returns Whether this attempt is a probe: `left` wants to know. */
  entered(now: number): boolean {
    if (this.#inFlight === 0) {
      if (now - this.#lastWordAt > FORGET_MS) this.#forget();
      this.#lastWordAt = now;
    }
    this.#inFlight++;
    this.window.entered(this.#inFlight, now);
    this.#rate?.use(now);
    if (this.breaker.isClosed()) return false;
    this.#probes++;
    return true;
  }

  /**
   * @param retryAfterMs How long the endpoint asked for, or 0.
   * @param random From 0 (included) to 1 (excluded).
   */
  left(
    attempt: {
      readonly sign: Sign;
      readonly isProbe: boolean;
      readonly durationMs: number;
      readonly retryAfterMs: number;
    },
    now: number,
    random: number,
  ): void {
    const { sign, isProbe, durationMs } = attempt;
    this.#inFlight--;
    if (isProbe) this.#probes--;
    if (this.#inFlight === 0) this.#stuck = false;
    if (sign === 'nothing') return;
    if (sign !== 'silence') this.#lastWordAt = now;
    if (sign === 'well') {
      this.#meanMs = this.#meanMs === 0 ? durationMs : this.#meanMs + NEWEST * (durationMs - this.#meanMs);
      this.window.succeeded(now, this.#patienceMs());
      this.#proven = true;
      this.#stuck = false;
      this.breaker.succeeded(now);
      return;
    }
    if (sign !== 'troubled') this.window.overloaded(now, this.#patienceMs());
    this.breaker.failed(now, isProbe, durationMs, attempt.retryAfterMs, random);
    if (!this.breaker.isClosed()) this.#forget();
  }

  /** Nothing could be heard for so long, in milliseconds, since this worker stood still: that is not the endpoint's silence. */
  excuse(ms: number): void {
    this.#lastWordAt += ms;
  }

  /** Looks whether it has fallen silent. Call it now and then while attempts are under way. */
  look(now: number): void {
    if (!this.#proven || !this.isSilent(now)) return;
    this.#proven = false;
    this.#stuck = this.#inFlight > this.#firstWindow;
  }

  #bears(now: number, share: Share): number {
    if (!this.breaker.isClosed())
      return this.breaker.isHalfOpen(now) && share.probe && this.#probes === 0 ? this.#inFlight + 1 : 0;
    if (this.#proven) return Math.min(this.window.size, share.proven);
    if (this.#inFlight === 0 && share.contact)
      return Math.min(this.#firstWindow, Math.max(1, share.unproven));
    return Math.min(this.#firstWindow, share.unproven);
  }

  #patienceMs(): number {
    return Math.max(this.#limits.silentAfterMs, 2 * this.#meanMs);
  }

  #forget(): void {
    this.#proven = false;
    this.window.reset();
  }
}
