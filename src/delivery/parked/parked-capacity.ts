import type { Admission } from '../admission/admission.ts';
import { claimOf } from '../admission/parked-queue.ts';
import type { ParkedQueue } from '../admission/tracked-endpoint.ts';

/**
 * While the circuit breaker of an endpoint is half-open, a message that was tried before waits for this long, in milliseconds, if
 * untried messages are parked: one of them may be the probe. Longer waits would keep an endpoint closed whose untried messages do
 * not come, because they are not due or another worker holds them.
 */
const TRIED_PROBE_AFTER_MS = 1000;

/** How many messages of the parked queue may be sent now, by the endpoint limiter. */
export function capacityOf(
  queue: ParkedQueue,
  admission: Pick<Admission, 'capacityFor' | 'isNarrow'>,
  now: number,
): number {
  const { endpoint, isTried } = queue;
  const holdsMessages = (queue.messages ?? 0) > 0;
  const capacity = admission.capacityFor(
    endpoint,
    isTried ? 'retry' : 'parked',
    holdsMessages ? 'queue' : 'none',
  );
  const { origin } = endpoint;
  if (capacity > 0 && origin !== null && !origin.isClosed() && holdsMessages)
    if (!origin.mayProbeFromQueue(endpoint, endpoint.limiter.breaker.mayTestEarly(), now)) return 0;
  if (!isTried)
    return admission.isNarrow(endpoint) ? capacity : Math.max(0, capacity - claimOf(endpoint.tried));
  const { breaker } = endpoint.limiter;
  const isAfterUntried = !breaker.isClosed() && (endpoint.untried.messages ?? 0) > 0;
  return isAfterUntried && !breaker.isHalfOpen(now - TRIED_PROBE_AFTER_MS) ? 0 : capacity;
}
