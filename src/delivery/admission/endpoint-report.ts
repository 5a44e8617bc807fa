import type { EndpointState } from '../../core/records/endpoint-state.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';
import type { Rooms } from './admission.ts';
import { stateOf } from './endpoint-status.ts';
import type { Place } from './tracked-endpoint.ts';

export type RoomReportOptions = {
  readonly rooms: Rooms;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  at(): number;
};

/** How often it is looked who is to be spoken of, or forgotten, in milliseconds. */
const LOOK_EVERY_MS = 5000;
/** Rows of one flush; the others follow in the next one. */
const MOST_STATES = 5000;
/** Lines of the log at each look; the others follow at the next one. */
const MOST_LINES = 20;
/** What lasts is told again after this long: rows that nobody writes are deleted, in milliseconds. */
const TELL_AGAIN_MS = 3_600_000;

/**
 * Tells how the endpoints are: as rows for PostgreSQL, whenever it asks; and in the log, whether it asks or not, when one
 * gets into trouble or out of it.
 */
export class RoomReport implements Service {
  readonly name = 'room report';
  readonly #options: RoomReportOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RoomReportOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
  }

  /** The states that changed since they were last told; of too many, those that were told of longest ago. */
  changed(): EndpointState[] {
    const { rooms, now, at } = this.#options;
    const news: { place: Place; state: EndpointState }[] = [];
    for (const place of rooms.places()) {
      const state = stateOf(place, now(), at());
      if (isNews(place, state, now())) news.push({ place, state });
    }
    if (news.length > MOST_STATES) news.sort((one, other) => one.place.toldAt - other.place.toldAt);
    return news.slice(0, MOST_STATES).map(({ place, state }) => {
      place.told = state;
      place.toldAt = now();
      return state;
    });
  }

  #look(): void {
    const { rooms, now, at } = this.#options;
    rooms.forgetIdle();
    let lines = 0;
    for (const place of rooms.places()) {
      const state = stateOf(place, now(), at());
      // A probe is to find out: until then, what was said holds.
      if (state.state === 'probing' || isTrouble(state) === place.isSaid) continue;
      place.isSaid = !place.isSaid;
      this.#say(state);
      if (++lines === MOST_LINES) return;
    }
  }

  #say(state: EndpointState): void {
    const { log } = this.#options;
    const { endpointKey: endpoint, url, state: condition, why, parked, lastError } = state;
    if (condition === 'paused')
      log.warn({ endpoint, url, why, parked }, 'an endpoint is paused: its messages wait in its queue');
    else if (isTrouble(state))
      log.warn(
        { endpoint, url, state: condition, why, parked, lastError },
        'an endpoint is in trouble: its messages wait in its queue',
      );
    else log.info({ endpoint, url, parked }, 'an endpoint is in trouble no more');
  }
}

function isTrouble({ state }: EndpointState): boolean {
  return state !== 'flowing' && state !== 'full' && state !== 'probing';
}

function isNews({ told, toldAt }: Place, state: EndpointState, now: number): boolean {
  if (told === null) return true;
  if (state.state !== 'flowing' && now - toldAt > TELL_AGAIN_MS) return true;
  return (Object.keys(state) as (keyof EndpointState)[]).some((field) => state[field] !== told[field]);
}
