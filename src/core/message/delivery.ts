import type { Endpoint } from '../endpoint/registry.ts';
import type { Method, Target } from '../request/target.ts';

/** One webhook on its way to one endpoint, over all its attempts. */
export type Delivery = {
  /** The same over all attempts; sent as `webhook-id`. Has no dot. */
  readonly id: string;
  readonly target: Target;
  readonly method: Method;
  /** Name, value, name, value, …: as undici takes them fastest. Without those that every attempt adds. */
  readonly headers: readonly string[];
  /** Null: the request has no body. */
  readonly body: Uint8Array | null;
  /** Its row of `rule_webhooks`, which rules; null where the message itself names the URL. */
  readonly endpoint: Endpoint | null;
};
