import { placesLeft } from './cap-share.ts';
import type { EndpointBreaker } from './endpoint-breaker.ts';
import { type EndpointLimits, NO_LIMITS } from './endpoint-limits.ts';
import { RateLimiter } from './rate-limiter.ts';

/** The limits of an endpoint, and what they leave. The endpoint of an origin, and its split URLs, share a cap and a rate. */
export class LimitsInForce {
  readonly #breaker: Pick<EndpointBreaker, 'origin' | 'place' | 'isClosed'>;
  #limits: EndpointLimits = NO_LIMITS;
  #rateLimiter: RateLimiter | null = null;

  constructor(breaker: Pick<EndpointBreaker, 'origin' | 'place' | 'isClosed'>) {
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
    return this.#limits.concurrency ?? Number.POSITIVE_INFINITY;
  }

  apply(limits: EndpointLimits): void {
    const { ratePerSecond } = limits;
    const { origin, place } = this.#breaker;
    if (ratePerSecond === null) this.#rateLimiter = null;
    else if (origin !== null && place !== 'own' && !limits.hasOwnRate)
      this.#rateLimiter = origin.rateLimiterOf(ratePerSecond);
    else if (ratePerSecond !== this.#limits.ratePerSecond || limits.hasOwnRate !== this.#limits.hasOwnRate)
      this.#rateLimiter = new RateLimiter(ratePerSecond);
    this.#limits = limits;
  }

  /** How many more attempts the cap and the rate allow now. */
  allowed(inFlight: number, isResponsive: boolean, now: number): number {
    const { origin } = this.#breaker;
    const place = this.#limits.hasOwnCap ? 'own' : this.#breaker.place;
    const isWell = isResponsive && this.#breaker.isClosed();
    const places = placesLeft({ place, cap: this.cap, inFlight, sharing: origin?.sharing ?? 0, isWell });
    return Math.min(places, this.#rateLimiter?.available(now) ?? Number.POSITIVE_INFINITY);
  }

  /** An attempt starts. */
  take(now: number): void {
    this.#rateLimiter?.take(now);
  }
}
