import { errorMessage } from '../../runtime/failure.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Service } from '../../runtime/service.ts';
import type { Rooms } from '../admission/admission.ts';
import { type Drain, isInTrouble, type Place } from '../admission/tracked-endpoint.ts';
import { type DrainOwner, OpenQueues } from '../queue-pool.ts';
import type { DrainShare } from './parked-share.ts';

/** The queues of all endpoints, as NATS keeps them. */
export interface ParkedQueues {
  /** Messages by endpoint key: the only source of who has any. Null where that cannot be known now. */
  list(): Promise<ReadonlyMap<string, number> | null>;
  /** Pulls from the queue of an endpoint. Null where that is not possible now. */
  open(endpointKey: string, owner: DrainOwner): Promise<Drain | null>;
}

export type DrainerOptions = {
  readonly rooms: Rooms;
  readonly queues: ParkedQueues;
  /** Queues that are drained at once. MAX_DRAINS. */
  readonly maxDrains: number;
  readonly share: DrainShare;
  readonly log: Logger;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
};

/** How often it is looked which queues have room, in milliseconds. */
const LOOK_EVERY_MS = 50;
/**
 * How many drains are opened each time: to make a consumer is among the dearest things that nats-server is asked for, and where
 * thousands of endpoints are down, thousands of probes are due.
 */
const OPENED_AT_ONCE = { probes: 2, others: 8 };
/** How often the queues are listed, in milliseconds; with many of them, the second. */
const LIST_EVERY_MS = { few: 5000, many: 15_000 };
const MANY = 1000;
/** A drain whose queue hands out nothing is ended after this long, or, while others wait for their turn, after this long. */
const IDLE_MS = { most: 20_000, crowded: 1000 };
/** While others wait, a drain has its turn for this long, in milliseconds. */
const TURN_MS = 10_000;
/** Fewer parked messages of an endpoint that answers do not send its new ones behind them, when a peer parked them. */
const FEW = 100;

type Open = {
  readonly place: Place;
  readonly drain: Drain;
  readonly since: number;
  /** When a message came last. */
  readonly activity: { at: number };
};

/**
 * Takes parked messages out of their endpoints' queues as their rooms allow: those that this worker parked at
 * once, those of its peers and of workers before it when the queues are listed.
 */
export class Drainer implements Service {
  readonly name = 'drains';
  readonly #options: DrainerOptions;
  readonly #open = new OpenQueues<Open>();
  /** Keys whose queue is known to hold something; the first has waited longest for its turn. */
  readonly #waiting = new Map<string, Place>();
  #timer: NodeJS.Timeout | undefined;
  #listing: Promise<void> | null = null;
  #listAt = 0;
  /** Where the next turn begins in a list that is too long. */
  #turn = 0;
  #stopped = false;

  constructor(options: DrainerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#look();
  }

  /** A message was parked here. */
  parked(endpointKey: string): void {
    const place = this.#options.rooms.placeOf(endpointKey);
    place.parked = (place.parked ?? 0) + 1;
    place.parkedAt = this.#options.now();
    if (this.#open.get(endpointKey) === undefined) this.#waiting.set(endpointKey, place);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const open of this.#open.all()) this.#end(open);
    await this.#listing;
    await this.#open.ended();
  }

  #look(): void {
    const now = this.#options.now();
    if (now >= this.#listAt) this.#listing ??= this.#list();
    const isCrowded = this.#waiting.size > 0 && this.#isFull();
    for (const open of this.#open.all()) {
      if (this.#isOver(open, now, isCrowded)) this.#end(open);
      else open.drain.wake();
    }
    const left = { probes: OPENED_AT_ONCE.probes, others: OPENED_AT_ONCE.others };
    for (const [key, place] of this.#waiting) {
      if (this.#isFull()) break;
      if (place.isForgotten || this.#open.has(key) || this.#options.rooms.spaceFor(place) === 0) continue;
      const kind = isInTrouble(place, now) ? 'probes' : 'others';
      if (left[kind]-- <= 0) continue;
      this.#waiting.delete(key);
      void this.#begin(place);
    }
  }

  #isFull(): boolean {
    return this.#open.size >= this.#options.maxDrains;
  }

  #isOver({ place, drain, since, activity }: Open, now: number, isCrowded: boolean): boolean {
    // Between two probes nothing is pulled.
    if (isInTrouble(place, now) && drain.credits() === 0 && this.#options.rooms.spaceFor(place) === 0)
      return true;
    if (now - activity.at > (isCrowded ? IDLE_MS.crowded : IDLE_MS.most)) return true;
    return isCrowded && now - since > TURN_MS;
  }

  async #begin(place: Place): Promise<void> {
    const open = await this.#open
      .begin(place.key, () => this.#pull(place))
      .catch((error) => {
        const what = 'parked messages cannot be drained';
        this.#options.log.error({ endpoint: place.key, error: errorMessage(error) }, what);
        return null;
      });
    if (open === null) return;
    // Parked while it was being opened: this drain has it, too.
    this.#waiting.delete(place.key);
    this.#options.share.add(place);
    place.drain = open.drain;
    if (this.#stopped || place.isForgotten) this.#end(open);
  }

  async #pull(place: Place): Promise<Open | null> {
    const { queues, share, now } = this.#options;
    const activity = { at: now() };
    const drain = await queues.open(place.key, {
      free: () => (this.#stopped ? 0 : share.mayAsk(place)),
      came: (pending) => {
        activity.at = now();
        place.parked = pending;
        // The last one: those that come from now on need not go behind it.
        if (pending === 0 && !isInTrouble(place, now())) place.isQueueing = false;
      },
    });
    return drain && { place, drain, since: now(), activity };
  }

  /** Its queue is looked at again when it is listed, or when something is parked there; or at once, where more is known to wait. */
  #end({ place }: Open): void {
    this.#options.share.remove(place);
    place.drain = null;
    if (!this.#stopped && !place.isForgotten && (place.parked ?? 0) > 0) this.#waiting.set(place.key, place);
    this.#open.end(place.key);
  }

  async #list(): Promise<void> {
    const { queues, now } = this.#options;
    const begun = now();
    try {
      const listed = await queues.list();
      if (listed !== null) this.#take(listed, begun);
      this.#listAt = now() + ((listed?.size ?? 0) < MANY ? LIST_EVERY_MS.few : LIST_EVERY_MS.many);
    } catch (error) {
      this.#options.log.error({ error: errorMessage(error) }, 'parked messages cannot be listed');
      this.#listAt = now() + LIST_EVERY_MS.many;
    } finally {
      this.#listing = null;
    }
  }

  /** All of them; where they are more than the endpoints that are remembered, half as many as those, and others the next time. */
  #inTurn(listed: ReadonlyMap<string, number>): Iterable<[string, number]> {
    const { most } = this.#options.rooms;
    if (listed.size <= most) return listed;
    const atOnce = Math.floor(most / 2);
    const from = this.#turn % listed.size;
    this.#turn = from + atOnce;
    const entries = [...listed];
    return [...entries.slice(from), ...entries.slice(0, from)].slice(0, atOnce);
  }

  #take(listed: ReadonlyMap<string, number>, begun: number): void {
    const { rooms } = this.#options;
    for (const [key, count] of this.#inTurn(listed)) {
      const place = rooms.placeOf(key);
      const isNews = place.parked === null || place.parked === 0;
      place.parked = count;
      if (count >= FEW) place.isQueueing = true;
      // What waits there may wait for a good reason: one of them is to find out.
      if (isNews && place.room.standing === 'trial' && place.room.inFlight === 0)
        place.room.breaker.doubt(begun);
      if (!this.#open.has(key)) this.#waiting.set(key, place);
    }
    for (const place of rooms.places()) {
      if (listed.has(place.key) || place.parkedAt >= begun) continue;
      place.parked = 0;
      place.isQueueing = false;
      this.#waiting.delete(place.key);
    }
    // They come again with a list.
    for (const [key, place] of this.#waiting) if (place.isForgotten) this.#waiting.delete(key);
  }
}
