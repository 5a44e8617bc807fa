import type { Verdict } from './verdict.ts';

/** What was really done with a message. It differs from the verdict where a stream refused a copy, or an order had to be kept. */
export type Disposition =
  | Verdict
  /** No stream took its copy, or it keeps its order: this worker holds it for a while, unsettled. */
  | { readonly kind: 'deferred' }
  /** No stream took its copy, and this worker could not hold it: NATS delivers it again after `delayMs`. */
  | { readonly kind: 'requeued'; readonly delayMs: number };

/** True if the message is in its endpoint's parked queue now. */
export function isParked(disposition: Disposition): boolean {
  return disposition.kind === 'park' || (disposition.kind === 'retry' && disposition.retryVia === 'park');
}
