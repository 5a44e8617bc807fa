import type { Endpoint } from '../endpoint/endpoint.ts';
import type { Method, Target } from '../request/target.ts';

/** One webhook on its way to one endpoint, over all its attempts. */
export type Delivery = {
  /** The delivery id: the same over all attempts; sent as `webhook-id`. Has no dot. */
  readonly id: string;
  readonly target: Target;
  readonly method: Method;
  /** Name, value, name, value, …: the form that undici sends fastest. Without the headers that each attempt adds. */
  readonly headers: readonly string[];
  /** Null: the request has no body. */
  readonly body: Uint8Array | null;
  /** The endpoint's row of `rule_webhooks`; null if the message itself holds the URL. */
  readonly endpoint: Endpoint | null;
  /** The event type that the bare payload names, as JSON; absent: none. */
  readonly eventType?: Uint8Array;
};
