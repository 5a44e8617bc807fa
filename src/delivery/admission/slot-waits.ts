import type { AttemptKind } from '../../core/capacity/endpoint-limiter.ts';
import type { Target } from '../../core/request/target.ts';
import type { PermitRules } from './permit-rules.ts';
import {
  isUnhealthy,
  type Permit,
  type Rejected,
  type TrackedEndpoint,
  type Waiter,
  waitersOf,
} from './tracked-endpoint.ts';

export type SlotWaitsOptions = {
  readonly rules: PermitRules;
  grant(endpoint: TrackedEndpoint, target: Target, kind: AttemptKind, now: number, isExtra: boolean): Permit;
};

const NO_ANSWER = 'the endpoint does not answer';

/** Messages that wait in their slots for permits of their endpoints: first attempts, and apart from them retries. */
export class SlotWaits {
  readonly #options: SlotWaitsOptions;
  #waiting = 0;

  constructor(options: SlotWaitsOptions) {
    this.#options = options;
  }

  /** How many messages wait. */
  get waiting(): number {
    return this.#waiting;
  }

  enqueue(endpoint: TrackedEndpoint, message: Omit<Waiter, 'resolve'>): Promise<Permit | Rejected> {
    return new Promise((resolve) => {
      waitersOf(endpoint, message.kind).push({ ...message, resolve });
      this.#waiting++;
    });
  }

  /** Admits waiting messages, as many as the endpoint has capacity for. */
  admit(endpoint: TrackedEndpoint, now: number): void {
    const { rules, grant } = this.#options;
    const { waiters: firsts, waitingRetries: retries } = endpoint;
    for (const waiters of rules.areRetriesNext(endpoint, now) ? [retries, firsts] : [firsts, retries]) {
      while (waiters.length > 0) {
        const { kind, target } = waiters[0]!;
        const hasPermit = rules.availablePermits(endpoint, kind, now) > 0;
        if (!hasPermit && (kind !== 'fresh' || !rules.mayStartExtra(endpoint, now))) break;
        this.#answer(waiters.shift()!, grant(endpoint, target, kind, now, !hasPermit));
      }
    }
  }

  /** Ends the waits that are over. */
  end(endpoint: TrackedEndpoint, now: number): void {
    this.#end(endpoint, endpoint.waiters, now);
    this.#end(endpoint, endpoint.waitingRetries, now);
  }

  /** Rejects every message that waits for the endpoint. */
  rejectAll(endpoint: TrackedEndpoint, reason: string): void {
    for (const waiter of [...endpoint.waiters.splice(0), ...endpoint.waitingRetries.splice(0)])
      this.#answer(waiter, { kind: 'noCapacity', reason });
  }

  #end(endpoint: TrackedEndpoint, waiters: Waiter[], now: number): void {
    const { rules, grant } = this.#options;
    const isUnhealthyNow = isUnhealthy(endpoint, now);
    for (;;) {
      // Waiters are in arrival order: the first waiter has waited longest.
      const [first] = waiters;
      if (first === undefined || !rules.isWaitOver(endpoint, first, isUnhealthyNow, now)) return;
      waiters.shift();
      if (first.cannotPark && endpoint.limiter.limits.paused === null) {
        this.#answer(first, grant(endpoint, first.target, first.kind, now, false));
        continue;
      }
      // Later messages would wait in vain, too: they queue behind this one.
      if (first.kind !== 'retry') endpoint.hasBacklog = true;
      const reason = isUnhealthyNow ? NO_ANSWER : 'the endpoint had no permit within PARK_AFTER_MS';
      this.#answer(first, { kind: 'noCapacity', reason });
    }
  }

  #answer({ resolve }: Waiter, answer: Permit | Rejected): void {
    this.#waiting--;
    resolve(answer);
  }
}
