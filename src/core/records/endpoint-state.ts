/**
 * The state of an endpoint's limiter, from best to worst:
 * `flowing` (healthy); `full` (saturated: no capacity for more attempts now); `silent` (unresponsive: attempts hang);
 * `probing` (half-open: one attempt tests whether the endpoint answers again); `failing` (open: nothing is sent for a while);
 * `paused` (by an operator).
 */
export type EndpointStatus = 'flowing' | 'full' | 'silent' | 'probing' | 'failing' | 'paused';

/** How one worker sees one endpoint: a row of `rule_nats_endpoint_states`. */
export type EndpointStateRow = {
  readonly endpointKey: string;
  /** The origin, or a URL without its query. */
  readonly url: string;
  readonly state: EndpointStatus;
  /** Attempts in flight. */
  readonly inFlight: number;
  /** Messages that wait in this worker for capacity at the endpoint. */
  readonly waiting: number;
  /** Messages in the parked stream for this key, of all workers together, as last listed; null: not known. */
  readonly parked: number | null;
  /** Attempts of the last 10 s that succeeded. */
  readonly successes: number;
  /** Attempts of the last 10 s that failed. */
  readonly failures: number;
  readonly lastError: string | null;
  /** When this state began, in milliseconds since 1970. `silent`, `probing` and `failing` count as one state. */
  readonly since: number;
  /** Why the endpoint is in this state, for a person; null: no reason is known. */
  readonly why: string | null;
};
