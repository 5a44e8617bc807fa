import { AttemptInFlight } from '../../core/capacity/attempts-in-flight.ts';
import type { UrlRecord } from '../../core/capacity/url-split.ts';
import type { Target } from '../../core/request/target.ts';
import type { Attempt } from '../../core/retry/attempt.ts';
import type { Permit, TrackedEndpoint } from './tracked-endpoint.ts';

export type PermitOwner = {
  /** Gets the permit back, with the result of its attempt. */
  onReleased(permit: GrantedPermit, attempt: Attempt): void;
  /** Told when the endpoint has been silent about the attempt for long, while it answers others. */
  onHung(permit: GrantedPermit): void;
};

/** A permit is the attempt that its endpoint limiter counts. So each message costs one object. */
export class GrantedPermit extends AttemptInFlight implements Permit {
  readonly kind = 'permit';
  /** Changes if the attempt hangs, and its URL is split off. */
  endpoint: TrackedEndpoint;
  readonly target: Target;
  /** The record that counts the attempt as silent; null: none does. */
  silent: UrlRecord | null = null;
  readonly #owner: PermitOwner;

  constructor(endpoint: TrackedEndpoint, target: Target, isRetry: boolean, owner: PermitOwner) {
    super(isRetry);
    this.endpoint = endpoint;
    this.target = target;
    this.#owner = owner;
  }

  override onHung(): void {
    this.#owner.onHung(this);
  }

  release(attempt: Attempt): void {
    this.#owner.onReleased(this, attempt);
  }
}
