import type { EndpointState } from '../core/endpoint-state.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Place } from './room-place.ts';
import { stateOf } from './room-state.ts';
import type { Rooms } from './rooms.ts';

export type RoomReportOptions = {
  readonly rooms: Rooms;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** Milliseconds since 1970. */
  at(): number;
};

/** In one report; the others follow in the next one. */
const MOST_STATES = 5000;
/** Lines of the log in one report. */
const MOST_LINES = 20;
/** What lasts is told again after this long: rows that nobody writes are deleted, in milliseconds. */
const TELL_AGAIN_MS = 3_600_000;
/** An endpoint without attempts and without trouble is forgotten after this long, in milliseconds. */
const FORGET_AFTER_MS = 600_000;

/** Tells how the endpoints are: as rows for PostgreSQL, and in the log when one gets into trouble or out of it. */
export class RoomReport {
  readonly #options: RoomReportOptions;

  constructor(options: RoomReportOptions) {
    this.#options = options;
  }

  /** The states that changed since they were last told. */
  changed(): EndpointState[] {
    const { rooms, now, at } = this.#options;
    rooms.forgetIdle(FORGET_AFTER_MS);
    const states: EndpointState[] = [];
    let lines = 0;
    for (const place of rooms.places()) {
      if (states.length >= MOST_STATES) break;
      const state = stateOf(place, now(), at());
      if (!isNews(place, state, now())) continue;
      if (this.#hasTurned(place.told, state) && lines++ < MOST_LINES) this.#say(state);
      place.told = state;
      place.toldAt = now();
      states.push(state);
    }
    return states;
  }

  #hasTurned(before: EndpointState | null, { state }: EndpointState): boolean {
    return isTrouble(before?.state ?? 'flowing') !== isTrouble(state);
  }

  #say({ endpointKey: endpoint, url, state, why, parked, lastError }: EndpointState): void {
    const { log } = this.#options;
    if (isTrouble(state))
      log.warn(
        { endpoint, url, state, why, parked, lastError },
        'an endpoint is in trouble: its messages wait in its queue',
      );
    else log.info({ endpoint, url, parked }, 'an endpoint is well again');
  }
}

function isTrouble(state: EndpointState['state']): boolean {
  return state !== 'flowing' && state !== 'full' && state !== 'probing';
}

function isNews({ told, toldAt }: Place, state: EndpointState, now: number): boolean {
  if (told === null) return true;
  if (state.state !== 'flowing' && now - toldAt > TELL_AGAIN_MS) return true;
  return (Object.keys(state) as (keyof EndpointState)[]).some(
    (field) => field !== 'why' && state[field] !== told[field],
  );
}
