import type { Target } from '../../core/request/target.ts';
import type { SlotWaitsOptions } from './slot-waits.ts';
import type { Permit, Rejected, TrackedEndpoint } from './tracked-endpoint.ts';

/**
 * Messages that wait in their slots for extra attempts. Only the message of an endpoint that arrived last waits. An earlier one is
 * parked, and has its turn there: among many that arrived before, messages that fail would take every extra attempt.
 */
export class NewestWaits {
  readonly #options: SlotWaitsOptions;
  #waiting = 0;

  constructor(options: SlotWaitsOptions) {
    this.#options = options;
  }

  /** How many messages wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Takes the place of the message that waits.
   *
   * @param onRejected Called when a newer message takes the place, or the wait is over: returns the answer.
   */
  replace(
    endpoint: TrackedEndpoint,
    target: Target,
    now: number,
    onRejected: () => Rejected,
  ): Promise<Permit | Rejected> {
    this.reject(endpoint);
    return new Promise((resolve) => {
      endpoint.newest = { since: now, target, resolve, reject: () => resolve(onRejected()) };
      this.#waiting++;
    });
  }

  /** Grants the extra attempt if it may start now, or ends a wait that is over. */
  check(endpoint: TrackedEndpoint, now: number): void {
    const { newest } = endpoint;
    if (newest === null) return;
    const { rules, grant } = this.#options;
    if (rules.mayStartExtra(endpoint, now)) {
      endpoint.newest = null;
      this.#waiting--;
      newest.resolve(grant(endpoint, newest.target, 'fresh', now, true));
    } else if (rules.isExtraWaitOver(endpoint, newest, now)) this.reject(endpoint);
  }

  reject(endpoint: TrackedEndpoint): void {
    const { newest } = endpoint;
    if (newest === null) return;
    endpoint.newest = null;
    this.#waiting--;
    newest.reject();
  }
}
