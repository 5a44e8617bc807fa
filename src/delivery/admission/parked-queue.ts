import type { ParkedQueue, TrackedEndpoint } from './tracked-endpoint.ts';

/** Slots for messages that were asked for. A pull on an empty queue needs no slot. */
export function claimOf({ consumer, messages }: ParkedQueue): number {
  return consumer === null ? 0 : Math.min(consumer.outstanding(), messages ?? 0);
}

/** Messages of both queues that were asked for. They go before messages that arrive now. */
export function outstandingOf({ untried, tried }: TrackedEndpoint): number {
  return (untried.consumer?.outstanding() ?? 0) + claimOf(tried);
}

/**
 * Makes the consumers of the parked queues pull more. Runs in the next event loop iteration, because the slot is free only then.
 */
export function pullMore(endpoint: TrackedEndpoint): void {
  const { untried, tried } = endpoint;
  if ((untried.consumer === null && tried.consumer === null) || endpoint.isWakePending) return;
  endpoint.isWakePending = true;
  setImmediate(() => {
    endpoint.isWakePending = false;
    untried.consumer?.pullMore();
    tried.consumer?.pullMore();
  });
}
