import type { EndpointStateRow } from '../../core/records/endpoint-state.ts';
import type { Clock } from '../../runtime/clock.ts';
import { every } from '../../runtime/every.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';
import type { Admission } from './admission.ts';
import { stateRowOf } from './endpoint-status.ts';
import type { TrackedEndpoint } from './tracked-endpoint.ts';

export type EndpointReporterOptions = {
  readonly admission: Admission;
  readonly log: Logger;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  at(): number;
};

/** Interval of the check for endpoints to log or to evict, in milliseconds. */
const CHECK_EVERY_MS = 5000;
/** The most rows in one flush. Further rows follow in the next flush. */
const MAX_STATES = 5000;
/** The most log lines per check. Further lines follow at the next check. */
const MAX_LINES = 20;
/**
 * A state other than `flowing` is written again after this long, in milliseconds. Below it, an unchanged state is not written.
 * Without the repetition, PostgreSQL would delete the row, because rows that no worker writes for long are deleted.
 */
const REPORT_AGAIN_MS = 3_600_000;
const PAUSED = 'The messages of the endpoint stay parked until the pause ends.';
const UNHEALTHY =
  'The messages of the endpoint stay parked. The worker sends them when the endpoint recovers. Ask the operator of the endpoint.';

/**
 * Reports the states of the endpoints: as rows for each flush to PostgreSQL, and in the log when an endpoint becomes unhealthy or
 * recovers. The log does not depend on the flushes.
 */
export class EndpointReporter implements Service {
  readonly name = 'endpoint reporter';
  readonly #options: EndpointReporterOptions;
  #stopTimer = () => {};

  constructor(options: EndpointReporterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stopTimer = every(CHECK_EVERY_MS, () => this.#check(), { clock: this.#options.clock });
  }

  async stop(): Promise<void> {
    this.#stopTimer();
  }

  /** Returns the states that changed since they were last taken. Of too many, returns the states that were taken longest ago. */
  takeChanges(): EndpointStateRow[] {
    const { admission, clock, at } = this.#options;
    const changes: { endpoint: TrackedEndpoint; state: EndpointStateRow }[] = [];
    for (const endpoint of admission.endpoints()) {
      const state = stateRowOf(endpoint, clock.now(), at());
      if (hasChanged(endpoint, state, clock.now())) changes.push({ endpoint, state });
    }
    if (changes.length > MAX_STATES)
      changes.sort((one, other) => one.endpoint.reportedAt - other.endpoint.reportedAt);
    const taken = changes.slice(0, MAX_STATES).map(({ endpoint, state }) => {
      endpoint.lastReported = state;
      endpoint.reportedAt = clock.now();
      return state;
    });
    // Before the others: an endpoint may have been met again since.
    return [...admission.takeEvicted().map((row) => forgotten(row, at())), ...taken];
  }

  #check(): void {
    const { admission, clock, at } = this.#options;
    admission.tidy();
    let lines = 0;
    for (const endpoint of admission.endpoints()) {
      const state = stateRowOf(endpoint, clock.now(), at());
      // A probe decides whether the endpoint is healthy. Until then, the last log line holds.
      if (state.state === 'probing' || isUnhealthyState(state) === endpoint.isReported) continue;
      endpoint.isReported = !endpoint.isReported;
      this.#log(state);
      if (++lines === MAX_LINES) return;
    }
  }

  #log(state: EndpointStateRow): void {
    const { log } = this.#options;
    const { endpointKey: endpoint, url, state: condition, why, parked, lastError } = state;
    if (condition === 'paused') log.warn({ endpoint, url, why, parked, hint: PAUSED }, 'endpoint.paused');
    else if (isUnhealthyState(state))
      log.warn(
        { endpoint, url, state: condition, why, parked, lastError, hint: UNHEALTHY },
        'endpoint.unhealthy',
      );
    else log.info({ endpoint, url, parked }, 'endpoint.recovered');
  }
}

/** This worker does not know the endpoint any more, so it must not show it in trouble. */
function forgotten(row: EndpointStateRow, since: number): EndpointStateRow {
  return { ...row, state: 'flowing', inFlight: 0, waiting: 0, parked: null, since, why: null };
}

function isUnhealthyState({ state }: EndpointStateRow): boolean {
  return state !== 'flowing' && state !== 'full' && state !== 'probing';
}

function hasChanged(
  { lastReported, reportedAt }: TrackedEndpoint,
  state: EndpointStateRow,
  now: number,
): boolean {
  if (lastReported === null) return true;
  if (state.state !== 'flowing' && now - reportedAt > REPORT_AGAIN_MS) return true;
  return (Object.keys(state) as (keyof EndpointStateRow)[]).some(
    (field) => state[field] !== lastReported[field],
  );
}
