import type { Wish } from '../../core/capacity/cap-turns.ts';
import type { AttemptKind } from '../../core/capacity/endpoint-limiter.ts';
import type { AdmissionOptions } from './options.ts';
import { outstandingOf } from './parked-queue.ts';
import type { SlotAccounting } from './slot-accounting.ts';
import {
  type AdmissionRequest,
  hasWaitingFirsts,
  isUnhealthy,
  type NewestWaiter,
  type Rejected,
  type TrackedEndpoint,
  type Waiter,
} from './tracked-endpoint.ts';
import { isWaitOver, mayAwaitProbe, rejectionReason } from './wait-rules.ts';

/** Messages that wait to be probes may use this share of the slots. */
const AWAITING_PROBE_SHARE = 1 / 8;

/** What all endpoints hold. */
type HeldSlots = {
  /** Messages that wait in their slots. */
  readonly waiting: number;
  /** No other endpoint has attempts in flight or waiting messages. */
  readonly isAlone: boolean;
};

/** Why a message must not wait in its slot. */
export type Rejection = {
  /** For a person. */
  readonly reason: string;
  /** Later messages must queue behind this one, because the endpoint is unhealthy or slow. A short peak causes no backlog. */
  readonly causesBacklog: boolean;
};

/** Decides which message of an endpoint starts, waits in its slot or is rejected, given the slots of all endpoints. */
export class PermitRules {
  readonly #options: AdmissionOptions;
  readonly #slots: Pick<SlotAccounting, 'shareFor'>;

  constructor(options: AdmissionOptions, slots: Pick<SlotAccounting, 'shareFor'>) {
    this.#options = options;
    this.#slots = slots;
  }

  /** How many more attempts of this kind may start now. @param wish Who waits for the permit. */
  availablePermits(
    endpoint: TrackedEndpoint,
    kind: AttemptKind,
    now: number,
    wish: Wish = 'message',
  ): number {
    if (kind === 'retry' && this.#mustYield(endpoint, now)) return 0;
    return endpoint.limiter.availablePermits(now, this.#slots.shareFor(endpoint, now), kind, wish);
  }

  /** True if it is the message's turn, and the endpoint has capacity besides the messages that were asked for. */
  mayStart(
    endpoint: TrackedEndpoint,
    { isParkedCopy }: AdmissionRequest,
    kind: AttemptKind,
    now: number,
  ): boolean {
    // A message that has just arrived is the best probe: parked messages may have failed everywhere.
    const isProbe = kind === 'fresh' && !endpoint.limiter.breaker.isClosed();
    if (kind === 'fresh' && endpoint.hasBacklog && !isProbe) return false;
    const outstanding = isParkedCopy || isProbe ? 0 : outstandingOf(endpoint);
    return this.availablePermits(endpoint, kind, now) > outstanding;
  }

  /** True if a message that has just arrived may start although the endpoint has no capacity, or its turn has not come. */
  mayStartExtra(endpoint: TrackedEndpoint, now: number): boolean {
    return endpoint.limiter.mayStartExtra(now, this.#slots.shareFor(endpoint, now));
  }

  /** True if a rejected message that has just arrived may wait in its slot for the next extra attempt. */
  mayAwaitExtra(endpoint: TrackedEndpoint, now: number): boolean {
    const at = now + this.#options.unresponsiveAfterMs;
    return endpoint.limiter.mayStartExtra(now, this.#slots.shareFor(endpoint, now), at);
  }

  /** True if the message that arrived last must not wait for an extra attempt any longer. */
  isExtraWaitOver(endpoint: TrackedEndpoint, { since }: NewestWaiter, now: number): boolean {
    return now - since > this.#options.unresponsiveAfterMs || !this.mayAwaitExtra(endpoint, now);
  }

  /** True if the message waits in its slot to be the probe of an open circuit breaker. */
  mayAwaitProbe(endpoint: TrackedEndpoint, kind: AttemptKind, now: number, { waiting }: HeldSlots): boolean {
    const { slots, unresponsiveAfterMs } = this.#options;
    return waiting < AWAITING_PROBE_SHARE * slots && mayAwaitProbe(endpoint, kind, now, unresponsiveAfterMs);
  }

  /** Why the message is not admitted; null: the message waits in its slot. */
  rejection(endpoint: TrackedEndpoint, kind: AttemptKind, now: number, held: HeldSlots): Rejection | null {
    const isSlowest = this.#isSlowest(endpoint);
    const isHungUp = endpoint.limiter.isHungUp(this.#slots.shareFor(endpoint, now), kind);
    const reason = rejectionReason(endpoint, now, {
      kind,
      isSlowest,
      isHungUp,
      isStarvedByOthers: this.#isStarvedByOthers(endpoint, now, held),
      maxHeld: held.isAlone ? null : this.#options.slots / 2,
    });
    if (reason === null) return null;
    const causesBacklog = kind !== 'retry' && (isSlowest || isHungUp || isUnhealthy(endpoint, now));
    return { reason, causesBacklog };
  }

  /** True if the message must not wait in its slot any longer. */
  isWaitOver(endpoint: TrackedEndpoint, first: Waiter, isUnhealthyNow: boolean, now: number): boolean {
    const { unresponsiveAfterMs } = this.#options;
    const isPaused = endpoint.limiter.limits.paused !== null;
    if (first.awaitsProbe && !isPaused && !endpoint.limiter.breaker.isClosed())
      return now - first.since > unresponsiveAfterMs;
    return (
      isUnhealthyNow ||
      isWaitOver(endpoint, first, now, unresponsiveAfterMs, this.#slots.shareFor(endpoint, now))
    );
  }

  /** True if the endpoint takes one attempt at a time: half of its cap would be none for retries. */
  isNarrow({ limiter }: TrackedEndpoint): boolean {
    return limiter.limits.concurrency === 1;
  }

  /** True if it is the turn of a retry, although first attempts wait: they would leave no place to retries. */
  areRetriesNext(endpoint: TrackedEndpoint, now: number): boolean {
    return this.isNarrow(endpoint) && endpoint.retryTurns.isDue(now);
  }

  /** True if a retry must wait, because first attempts wait and it is not the turn of retries. */
  #mustYield(endpoint: TrackedEndpoint, now: number): boolean {
    return this.isNarrow(endpoint) && hasWaitingFirsts(endpoint) && !endpoint.retryTurns.isDue(now);
  }

  #isSlowest({ limiter }: TrackedEndpoint): boolean {
    // While this worker is busy, the slowness may be its own.
    return limiter.isSlow() && !this.#options.isBusy();
  }

  #isStarvedByOthers(endpoint: TrackedEndpoint, now: number, { waiting }: HeldSlots): boolean {
    return (
      waiting >= this.#options.slots / 8 &&
      endpoint.limiter.isStarvedByOthers(this.#slots.shareFor(endpoint, now))
    );
  }
}

/** The answer to a message that is not admitted, which its endpoint remembers. */
export function rejected(
  endpoint: TrackedEndpoint,
  { reason, causesBacklog }: Rejection,
  now: number,
): Rejected {
  endpoint.hasBacklog ||= causesBacklog;
  endpoint.rejectedAt = now;
  return { kind: 'noCapacity', reason };
}
