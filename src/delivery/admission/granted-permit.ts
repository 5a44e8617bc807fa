import { AttemptInFlight } from '../../core/capacity/attempts-in-flight.ts';
import type { Attempt } from '../../core/retry/attempt.ts';
import type { Permit, TrackedEndpoint } from './tracked-endpoint.ts';

/** Gets the permit back, with the result of its attempt. */
export type PermitOwner = { onReleased(permit: GrantedPermit, attempt: Attempt): void };

/** A permit is the attempt that its endpoint limiter counts. So each message costs one object. */
export class GrantedPermit extends AttemptInFlight implements Permit {
  readonly kind = 'permit';
  readonly endpoint: TrackedEndpoint;
  readonly #owner: PermitOwner;

  constructor(endpoint: TrackedEndpoint, isRetry: boolean, owner: PermitOwner) {
    super(isRetry);
    this.endpoint = endpoint;
    this.#owner = owner;
  }

  release(attempt: Attempt): void {
    this.#owner.onReleased(this, attempt);
  }
}
