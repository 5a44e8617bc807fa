import type { EndpointStateRow } from '../../core/records/endpoint-state.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';
import type { Admission } from './admission.ts';
import { stateRowOf } from './endpoint-status.ts';
import type { TrackedEndpoint } from './tracked-endpoint.ts';

export type EndpointReporterOptions = {
  readonly admission: Admission;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  at(): number;
};

/** How often it is looked who is to be spoken of, or forgotten, in milliseconds. */
const CHECK_EVERY_MS = 5000;
/** Rows of one flush; the others follow in the next one. */
const MAX_STATES = 5000;
/** Lines of the log at each look; the others follow at the next one. */
const MAX_LINES = 20;
/** What lasts is told again after this long: rows that nobody writes are deleted, in milliseconds. */
const REPORT_AGAIN_MS = 3_600_000;
const PAUSED = 'The messages of the endpoint wait in its parked queue until the pause ends.';
const UNHEALTHY =
  'The messages of the endpoint wait in its parked queue, and come back by themselves. Ask the operator of the endpoint.';

/**
 * Tells how the endpoints are: as rows for PostgreSQL, whenever it asks; and in the log, whether it asks or not, when one
 * gets into trouble or out of it.
 */
export class EndpointReporter implements Service {
  readonly name = 'endpoint reporter';
  readonly #options: EndpointReporterOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: EndpointReporterOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }

  /** The states that changed since they were last told; of too many, those that were told of longest ago. */
  takeChanges(): EndpointStateRow[] {
    const { admission, now, at } = this.#options;
    const changes: { endpoint: TrackedEndpoint; state: EndpointStateRow }[] = [];
    for (const endpoint of admission.endpoints()) {
      const state = stateRowOf(endpoint, now(), at());
      if (hasChanged(endpoint, state, now())) changes.push({ endpoint, state });
    }
    if (changes.length > MAX_STATES)
      changes.sort((one, other) => one.endpoint.reportedAt - other.endpoint.reportedAt);
    return changes.slice(0, MAX_STATES).map(({ endpoint, state }) => {
      endpoint.lastReported = state;
      endpoint.reportedAt = now();
      return state;
    });
  }

  #check(): void {
    const { admission, now, at } = this.#options;
    admission.evictIdle();
    let lines = 0;
    for (const endpoint of admission.endpoints()) {
      const state = stateRowOf(endpoint, now(), at());
      // A probe is to find out: until then, what was said holds.
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
