import { type CapOwner, sharedPlacesLeft } from './cap-share.ts';
import type { Wish } from './cap-turns.ts';
import type { EndpointBreaker } from './endpoint-breaker.ts';
import { type EndpointLimits, NO_LIMITS } from './endpoint-limits.ts';
import { RateLimiter } from './rate-limiter.ts';

/** What the endpoint has in flight, and whether it is well. */
type Usage = {
  /** Attempts of the endpoint in flight. */
  readonly inFlight: number;
  /** The endpoint answers. */
  readonly isResponsive: boolean;
};

const NONE = Number.POSITIVE_INFINITY;

/** The limits of an endpoint, and what they leave. The endpoint of an origin, and its split URLs, share a cap and a rate. */
export class LimitsInForce {
  readonly #breaker: Pick<EndpointBreaker, 'origin' | 'capOwner' | 'isClosed'>;
  #limits: EndpointLimits = NO_LIMITS;
  #rateLimiter: RateLimiter | null = null;

  constructor(breaker: Pick<EndpointBreaker, 'origin' | 'capOwner' | 'isClosed'>) {
    this.#breaker = breaker;
  }

  get current(): EndpointLimits {
    return this.#limits;
  }

  /** True if a cap or a rate holds. */
  get isCapped(): boolean {
    return this.#limits.concurrency !== null || this.#rateLimiter !== null;
  }

  get cap(): number {
    return this.#limits.concurrency ?? NONE;
  }

  get capOwner(): CapOwner {
    return this.#limits.hasOwnCap ? 'own' : this.#breaker.capOwner;
  }

  apply(limits: EndpointLimits): void {
    const { ratePerSecond } = limits;
    const { origin, capOwner } = this.#breaker;
    if (ratePerSecond === null) this.#rateLimiter = null;
    else if (origin !== null && capOwner !== 'own' && !limits.hasOwnRate)
      this.#rateLimiter = origin.rateLimiterOf(ratePerSecond);
    else if (ratePerSecond !== this.#limits.ratePerSecond || limits.hasOwnRate !== this.#limits.hasOwnRate)
      this.#rateLimiter = new RateLimiter(ratePerSecond);
    this.#limits = limits;
  }

  /**
   * How many more attempts the cap and the rate allow now.
   *
   * @param wish Who waits, and is held back by nothing but the cap or the rate.
   */
  allowed(usage: Usage, wish: Wish, now: number): number {
    const own = this.#allowedAlone(usage, now);
    if (own <= 0) return 0;
    const shared = this.#allowedTogether(now);
    if (shared === NONE) return own;
    return Math.min(own, this.#breaker.origin!.turns.placesFor(this, shared, wish, now));
  }

  /** An attempt starts. */
  take(now: number): void {
    this.#rateLimiter?.take(now);
    this.#breaker.origin?.turns.onStarted(this);
  }

  #allowedAlone({ inFlight, isResponsive }: Usage, now: number): number {
    const rate = this.#hasSharedRate ? NONE : this.#rateAllows(now);
    if (this.capOwner === 'own') return Math.min(rate, this.cap - inFlight);
    // A URL that fails or hangs holds one place at most.
    const isWell =
      this.cap === NONE || this.capOwner === 'origin' || (isResponsive && this.#breaker.isClosed());
    return isWell ? rate : Math.min(rate, 1 - inFlight);
  }

  /** For the origin and its split URLs together. */
  #allowedTogether(now: number): number {
    const { capOwner, cap } = this;
    const { origin } = this.#breaker;
    const places =
      capOwner === 'own' || cap === NONE ? NONE : sharedPlacesLeft(capOwner, cap, origin!.sharing);
    return this.#hasSharedRate ? Math.min(places, this.#rateAllows(now)) : places;
  }

  get #hasSharedRate(): boolean {
    return this.#breaker.capOwner !== 'own' && !this.#limits.hasOwnRate;
  }

  #rateAllows(now: number): number {
    return this.#rateLimiter?.available(now) ?? NONE;
  }
}
