import type { CapOwner, SharedAttempts } from './cap-share.ts';
import { CapTurns } from './cap-turns.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { RateLimiter } from './rate-limiter.ts';
import { NEIGHBOUR_MS, UrlSuccesses } from './url-split.ts';

/** An attempt at an endpoint of the origin, as the origin counts it. */
export type OriginAttempt = {
  /** Of the attempts at the origin, in the order of their start. */
  readonly number: number;
  /** The attempt tests the origin. */
  readonly isProbe: boolean;
  /** The endpoint succeeded last. */
  readonly isOfWell: boolean;
  /** Whose cap the attempt counts for. `moveTo` changes it. */
  capOwner: CapOwner;
};

/** What an attempt says of the origin. */
export type OriginResult = {
  /** `delivered`: any success. `failed`: a bad answer, or silence after the connection stood. `unreached`: the host was not reached. */
  readonly kind: 'delivered' | 'failed' | 'unreached';
  /** The message was tried before. */
  readonly isRetry: boolean;
  readonly durationMs: number;
};

/**
 * How long an endpoint may be the only one whose parked messages test the origin, in milliseconds. Below it, many endpoints would
 * open their queues for one probe. Above it, an endpoint whose messages are not due would delay the probe.
 */
const CLAIM_MS = 1000;
/**
 * While endpoints give bad answers, one that succeeded last tests the origin at once. After this many of its kind failed in a row,
 * none does. Below it, a few endpoints that fail would close a quiet healthy one of the same origin for up to 30 s. Above it, an
 * origin that is down would get a probe from each endpoint that succeeded before.
 */
const MAX_WELL_FAILURES = 3;

/**
 * What the endpoints at one origin share: the origin itself, URLs that are split off, and rows of `rule_webhooks`. An origin that is
 * not reached, or where several endpoints fail and none succeeds, gets one probe at a time, whichever endpoint sends it. Pure. Times
 * in milliseconds, on the caller's clock.
 */
export class Origin {
  /** Scheme, host and port. */
  readonly url: string;
  /** The endpoint key of the origin. */
  readonly key: string;
  readonly successes = new UrlSuccesses();
  /** Tracked endpoints at this origin. */
  endpoints = 0;
  /** Attempts in flight that share the cap of the origin. */
  readonly sharing: SharedAttempts = { ofOrigin: 0, ofSplits: 0 };
  /** Whose turn it is, if more attempts are wanted than the shared cap and rate allow. */
  readonly turns = new CapTurns();
  #rateLimiter: { readonly perSecond: number; readonly limiter: RateLimiter } | null = null;
  /** Failures to reach the host. Every answer closes it. */
  readonly #reach = new CircuitBreaker();
  /** Bad answers of several endpoints while none succeeds. */
  readonly #answers = new CircuitBreaker();
  #started = 0;
  #probes = 0;
  #succeededAt = Number.NEGATIVE_INFINITY;
  /** The endpoint whose bad answer counted last. One endpoint alone has a breaker of its own. */
  #lastFailed: unknown = null;
  /** Failed probes of endpoints that had succeeded last, since the last success of any endpoint. */
  #wellFailures = 0;
  #claim: { readonly by: unknown; readonly until: number; readonly isWell: boolean } | null = null;
  /** Endpoints that claimed the probe, and had no message that was due. */
  readonly #claimedInVain = new Set<unknown>();

  constructor(url: string, key: string) {
    this.url = url;
    this.key = key;
  }

  isClosed(): boolean {
    return this.#reach.isClosed() && this.#answers.isClosed();
  }

  /** Why nothing but probes is sent to the origin, for a person; null: the origin is closed. */
  get why(): string | null {
    if (!this.#reach.isClosed()) return 'its host is not reached';
    return this.#answers.isClosed() ? null : 'no endpoint of its origin succeeds';
  }

  /** No attempt passes before this time; null while the origin is closed. */
  get openUntil(): number | null {
    if (this.isClosed()) return null;
    return Math.max(this.#reach.openUntil ?? 0, this.#answers.openUntil ?? 0);
  }

  /** True if attempts pass, or one may test the origin. @param isFresh The message has just arrived. */
  isPassable(now: number, isFresh: boolean): boolean {
    return isPassable(this.#reach, now, isFresh) && isPassable(this.#answers, now, isFresh);
  }

  /** True while a probe of the origin is in flight. */
  get isProbed(): boolean {
    return this.#probes > 0;
  }

  /** True if an endpoint that succeeded last may test the origin before its time: the host is reached. */
  get trustsWell(): boolean {
    return this.#reach.isClosed() && this.#wellFailures < MAX_WELL_FAILURES;
  }

  /**
   * True if the parked messages of this endpoint may test the origin now: only those of one endpoint at a time.
   *
   * @param isWell The endpoint may test the origin before its time. It goes before the others.
   */
  mayProbeFromQueue(endpoint: unknown, isWell: boolean, now: number): boolean {
    const claim = this.#claim;
    if (claim !== null && now < claim.until && (claim.isWell || !isWell)) return claim.by === endpoint;
    if (claim !== null) this.#claimedInVain.add(claim.by);
    if (this.#claimedInVain.has(endpoint)) {
      if (claim !== null && now - claim.until < CLAIM_MS) return false;
      this.#claimedInVain.clear();
    }
    this.#claim = { by: endpoint, until: now + CLAIM_MS, isWell };
    return true;
  }

  /** The rate limiter that the origin and its split URLs share. */
  rateLimiterOf(perSecond: number): RateLimiter {
    if (this.#rateLimiter?.perSecond !== perSecond)
      this.#rateLimiter = { perSecond, limiter: new RateLimiter(perSecond) };
    return this.#rateLimiter.limiter;
  }

  /**
   * @param capOwner Whose cap the attempt counts for.
   * @param isOfWell The endpoint succeeded last.
   */
  start(capOwner: CapOwner, isOfWell = false): OriginAttempt {
    this.#count(capOwner, 1);
    const isProbe = !this.isClosed();
    if (isProbe) {
      this.#probes++;
      this.#claim = null;
      this.#claimedInVain.clear();
    }
    return { number: ++this.#started, isProbe, isOfWell, capOwner };
  }

  /** The attempt counts for another cap from now on: its URL was split off. */
  moveTo(capOwner: CapOwner, attempt: OriginAttempt): void {
    this.#count(attempt.capOwner, -1);
    attempt.capOwner = capOwner;
    this.#count(capOwner, 1);
  }

  /**
   * @param result Null: the attempt says nothing.
   * @param random From 0 (included) to 1 (excluded).
   */
  end(
    { number, isProbe, isOfWell, capOwner }: OriginAttempt,
    endpoint: unknown,
    result: OriginResult | null,
    now: number,
    random: number,
  ): void {
    this.#count(capOwner, -1);
    if (isProbe) this.#probes--;
    if (result === null) return;
    const { kind, isRetry, durationMs } = result;
    const failed = { number, isProbe, isEvidence: true, durationMs, retryAfterMs: 0, hung: 0 };
    if (kind === 'unreached') {
      this.#reach.onFailure(failed, now, random);
      return;
    }
    this.#reach.onSuccess(number, now);
    if (kind === 'delivered') {
      this.#succeededAt = now;
      this.#lastFailed = null;
      this.#wellFailures = 0;
      this.#answers.onSuccess(number, now);
      return;
    }
    if (isProbe && isOfWell && !isRetry) this.#wellFailures++;
    const isOfOrigin = !isRetry && endpoint !== this.#lastFailed && now - this.#succeededAt > NEIGHBOUR_MS;
    if (isOfOrigin) this.#lastFailed = endpoint;
    if (isOfOrigin || (isProbe && !this.#answers.isClosed()))
      this.#answers.onFailure({ ...failed, isEvidence: isOfOrigin }, now, random);
  }

  #count(capOwner: CapOwner, change: number): void {
    if (capOwner === 'origin') this.sharing.ofOrigin += change;
    else if (capOwner === 'split') this.sharing.ofSplits += change;
  }
}

function isPassable(breaker: CircuitBreaker, now: number, isFresh: boolean): boolean {
  return breaker.isClosed() || (isFresh ? breaker.isHalfOpenForFresh(now) : breaker.isHalfOpen(now));
}
