/**
 * How an endpoint's room is, from best to worst:
 * `flowing`; `full` (no room for more now); `silent` (attempts hang); `probing` (one attempt tries whether it is back);
 * `failing` (nothing is sent for a while); `paused` (by an operator).
 */
export type EndpointStatus = 'flowing' | 'full' | 'silent' | 'probing' | 'failing' | 'paused';

/** How one worker sees one endpoint: a row of `rule_nats_endpoint_states`. */
export type EndpointStateRow = {
  readonly endpointKey: string;
  /** The origin, or a URL without its query. */
  readonly url: string;
  readonly state: EndpointStatus;
  /** Attempts under way. */
  readonly inFlight: number;
  /** Messages that wait in this worker for room. */
  readonly waiting: number;
  /** Messages in the parked stream for this key, all workers' together, as last listed; null where that is not known. */
  readonly parked: number | null;
  /** Attempts of the last BREAKER_WINDOW_MS without trouble. */
  readonly successes: number;
  /** Attempts of the last BREAKER_WINDOW_MS with trouble. */
  readonly failures: number;
  readonly lastError: string | null;
  /** When this state began, in milliseconds since 1970; `silent`, `probing` and `failing` are one trouble. */
  readonly since: number;
  /** A sentence for a person; null where there is nothing to say. */
  readonly why: string | null;
};
