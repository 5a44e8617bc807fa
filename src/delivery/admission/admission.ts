import { Room, type RoomRule, signOf } from '../../core/capacity/endpoint-limiter.ts';
import type { Target } from '../../core/request/target.ts';
import { type Attempt, describeFailure, isDelivered } from '../../core/retry/attempt.ts';
import type { RoomsOptions } from './options.ts';
import { Crowd } from './slot-accounting.ts';
import {
  type Entrant,
  isInTrouble,
  isInVain,
  type NoRoom,
  newPlace,
  type Pass,
  type Place,
  type Waiter,
  wakeDrain,
  whyNotWait,
} from './tracked-endpoint.ts';
import { Places } from './tracked-endpoints.ts';

/** How often it is looked who has waited long enough, and who has fallen silent, in milliseconds. */
const LOOK_EVERY_MS = 25;

/** A pause of this worker that is long enough to be taken for an endpoint's, in milliseconds. */
const STOOD_STILL_MS = 100;
const STOPS = 'this worker stops';
const NO_ANSWER = 'it does not answer';

/**
 * The rooms of all endpoints, within the slots of this worker: so a single healthy endpoint gets nearly all of
 * them, and one that hangs leaves the others theirs.
 */
export class Rooms {
  /** Endpoints that are remembered at most. */
  readonly most: number;
  readonly #options: RoomsOptions;
  readonly #places: Places;
  /** Those with attempts under way, or with messages that wait. */
  readonly #busy = new Set<Place>();
  readonly #crowd: Crowd;
  #ruleOf: (endpointKey: string) => RoomRule;
  /** Messages that wait in their slots. */
  waiting = 0;
  #lookedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RoomsOptions) {
    this.#options = options;
    this.most = options.mostEndpoints;
    this.#crowd = new Crowd(options.slots);
    this.#ruleOf = () => options.rule;
    this.#places = new Places({
      most: options.mostEndpoints,
      isBusy: (place) => this.#busy.has(place),
      forgotten: (place) => this.#crowd.drop(place),
    });
  }

  /** Lets in, lets wait in its slot, or turns away: then the message is to be parked. */
  enter(target: Target, { isParkedCopy, mustSend }: Entrant): Pass | NoRoom | Promise<Pass | NoRoom> {
    if (this.#closed) return { kind: 'noRoom', why: STOPS };
    const now = this.#options.now();
    const place = this.#placeOf(target.endpointKey, target.origin);
    const mayPass = !place.isQueueing || isParkedCopy;
    const asked = isParkedCopy ? 0 : (place.drain?.credits() ?? 0);
    if (mayPass && place.waiters.length === 0 && this.#space(place, now) > asked)
      return this.#pass(place, now);
    if (!mustSend || place.room.rule.paused !== null) {
      const why = whyNotWait(place, now, {
        isParkedCopy,
        isSlowest: this.#isSlowest(place),
        isCrowdedOut: this.#isCrowdedOut(place),
        most: this.#busy.size > 1 ? this.#options.slots / 2 : null,
      });
      if (why !== null) return this.#turnAway(place, why, now);
    }
    return new Promise((resolve) => {
      place.waiters.push({ since: now, isParkedCopy, mustSend, resolve });
      this.waiting++;
      this.#watch(place);
    });
  }

  /** The place of an endpoint, made where it is not known. */
  placeOf(endpointKey: string): Place {
    return this.#placeOf(endpointKey, null);
  }

  places(): IterableIterator<Place> {
    return this.#places.values();
  }

  /** Whether an endpoint is left alone now: what fails there waits in its queue. */
  isShut({ endpointKey, origin }: Target): boolean {
    const { room } = this.#placeOf(endpointKey, origin);
    return room.rule.paused !== null || !room.breaker.isClosed();
  }

  /** How many messages of its own queue this endpoint has room for now. */
  spaceFor(place: Place): number {
    if (this.#closed) return 0;
    return Math.max(0, this.#space(place, this.#options.now()) - place.waiters.length);
  }

  /** What the operators, and the settings, allow from now on. */
  obey(ruleOf: (endpointKey: string) => RoomRule): void {
    for (const place of this.#places.values()) place.room.obey(ruleOf(place.key));
    this.#ruleOf = ruleOf;
  }

  /** Drops endpoints that nobody has wanted anything of for long, once nobody takes them for troubled any more. */
  forgetIdle(): void {
    this.#places.forgetIdle(this.#options.now());
  }

  /** Nothing begins any more; what waits is turned away. */
  close(): void {
    this.#closed = true;
    for (const place of this.#busy) {
      for (const waiter of place.waiters.splice(0)) this.#answer(waiter, { kind: 'noRoom', why: STOPS });
    }
  }

  #placeOf(key: string, url: string | null): Place {
    const known = this.#places.get(key);
    if (known !== undefined) {
      known.url ??= url;
      return known;
    }
    const place = newPlace(key, url, new Room(this.#options), this.#options.now());
    place.room.obey(this.#ruleOf(key));
    this.#places.add(place);
    return place;
  }

  #space(place: Place, now: number): number {
    return place.room.space(now, this.#crowd.shareOf(place));
  }

  #pass(place: Place, now: number): Pass {
    let isProbe = false;
    this.#crowd.account(place, () => {
      isProbe = place.room.entered(now);
    });
    place.usedAt = now;
    this.#watch(place);
    return { kind: 'pass', left: (attempt) => this.#left(place, attempt, isProbe) };
  }

  #left(place: Place, attempt: Attempt, isProbe: boolean): void {
    const now = this.#options.now();
    const { outcome, durationMs } = attempt;
    place.lastError = describeFailure(outcome) ?? place.lastError;
    // A 404 is an answer, and yet no delivery.
    if (isDelivered(outcome)) {
      place.deliveredAt = attempt.startedAt + durationMs;
      place.failures = 0;
    } else if (signOf(outcome) !== 'nothing') place.failures++;
    const asked = outcome.kind === 'responded' ? (outcome.retryAfterMs ?? 0) : 0;
    this.#crowd.account(place, () =>
      place.room.left(
        {
          sign: signOf(outcome),
          isProbe,
          durationMs,
          retryAfterMs: Math.min(asked, this.#options.retryAfterMaxMs),
        },
        now,
        this.#options.random(),
      ),
    );
    this.#serve(place, now);
    wakeDrain(place);
  }

  #serve(place: Place, now: number): void {
    const { waiters } = place;
    while (waiters.length > 0 && this.#space(place, now) > 0)
      this.#answer(waiters.shift()!, this.#pass(place, now));
  }

  #answer({ resolve }: Waiter, answer: Pass | NoRoom): void {
    this.waiting--;
    resolve(answer);
  }

  #isSlowest({ room }: Place): boolean {
    // Else it may be this worker that is too busy to be quicker.
    return room.isSlow() && !this.#options.isBusy();
  }

  #isCrowdedOut(place: Place): boolean {
    return this.waiting >= this.#options.slots / 8 && place.room.isCrowdedOut(this.#crowd.shareOf(place));
  }

  /** Where it is not just a moment's crowd, those that come next go behind this one. */
  #turnAway(place: Place, why: string, now: number): NoRoom {
    if (isInTrouble(place, now) || this.#isSlowest(place)) place.isQueueing = true;
    return { kind: 'noRoom', why };
  }

  #watch(place: Place): void {
    this.#busy.add(place);
    if (this.#timer !== undefined) return;
    this.#lookedAt = this.#options.now();
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  #look(): void {
    const now = this.#options.now();
    const stoodStillMs = now - this.#lookedAt - LOOK_EVERY_MS;
    this.#lookedAt = now;
    this.#crowd.roll(now, this.#places.values());
    for (const place of this.#busy) {
      if (stoodStillMs > STOOD_STILL_MS) place.room.excuse(stoodStillMs);
      this.#crowd.account(place, () => place.room.look(now));
      this.#serve(place, now);
      this.#endWaits(place, now);
      if (place.room.inFlight === 0 && place.waiters.length === 0) this.#busy.delete(place);
    }
    if (this.#busy.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #endWaits(place: Place, now: number): void {
    const { silentAfterMs } = this.#options;
    const isHopeless = isInTrouble(place, now);
    for (;;) {
      // In the order of their coming: the first one has waited longest.
      const [first] = place.waiters;
      if (first === undefined) return;
      if (!isHopeless && !isInVain(place, first, now, silentAfterMs, this.#crowd.shareOf(place))) return;
      place.waiters.shift();
      if (first.mustSend && place.room.rule.paused === null) {
        this.#answer(first, this.#pass(place, now));
        continue;
      }
      // Those that come next would wait in vain, too.
      place.isQueueing = true;
      this.#answer(first, { kind: 'noRoom', why: isHopeless ? NO_ANSWER : 'it is as busy as it can be' });
    }
  }
}
