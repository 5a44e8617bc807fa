import type { Room, Share } from '../../core/capacity/endpoint-limiter.ts';
import type { EndpointCondition, EndpointState } from '../../core/records/endpoint-state.ts';
import type { Attempt } from '../../core/retry/attempt.ts';

/** Who wants in. */
export type Entrant = {
  /** It comes out of its endpoint's own queue. */
  readonly isParkedCopy: boolean;
  /** It cannot be parked, so it waits, and gets in whatever its endpoint bears, unless an operator has paused it. */
  readonly mustSend: boolean;
};

/** An attempt may begin; whoever gets it calls `left` once, with what became of it. */
export type Pass = { readonly kind: 'pass'; left(attempt: Attempt): void };
export type NoRoom = { readonly kind: 'noRoom'; readonly why: string };

/** A message that waits in its slot. */
export type Waiter = {
  readonly since: number;
  readonly isParkedCopy: boolean;
  readonly mustSend: boolean;
  resolve(answer: Pass | NoRoom): void;
};

/** The messages of one queue, being pulled. */
export interface Drain {
  /** Asked for, and about to come: they go before others. */
  credits(): number;
  /** Tells that there may be room for more. */
  wake(): void;
  /** No new pulls; what is on its way still arrives. */
  stop(): Promise<void>;
}

/** An endpoint, as this worker knows it. */
export type Place = {
  readonly key: string;
  /** Its origin; null where only its key is known, from its queue. */
  url: string | null;
  readonly room: Room;
  readonly waiters: Waiter[];
  /** Messages wait in its queue, and those that come now go behind them. */
  isQueueing: boolean;
  /** What pulls from its queue now. */
  drain: Drain | null;
  /** It is about to be told of room. */
  isWaking: boolean;
  /** When an attempt last began, on the clock of the rooms. */
  usedAt: number;
  /** It made room for others, and who knows it by its key knows another place by now. */
  isForgotten: boolean;
  /** The most attempts under way at once, in the current and in the last ten seconds. */
  peak: number;
  peakBefore: number;
  /** How many of the slots it needed lately, as the others are to leave them; 0 while it does not answer. */
  need: number;
  lastError: string | null;
  /** When it last took a webhook, in milliseconds since 1970, and how many it has failed since then. */
  deliveredAt: number;
  failures: number;
  /** The log says that it is in trouble. */
  isSaid: boolean;
  /** How it was when it was last looked at, and since when it is so or in the same trouble, in milliseconds since 1970. */
  condition: EndpointCondition | null;
  since: number;
  /** What was last told of it. */
  told: EndpointState | null;
  /** When that was, on the clock of the rooms. */
  toldAt: number;
  /** Messages in its queue, as they were counted last; null: not yet. */
  parked: number | null;
  /** When a message was last parked here, on the clock of the rooms. */
  parkedAt: number;
};

export function newPlace(key: string, url: string | null, room: Room, now: number): Place {
  return {
    key,
    url,
    room,
    waiters: [],
    isQueueing: false,
    drain: null,
    isWaking: false,
    usedAt: now,
    isForgotten: false,
    peak: 0,
    peakBefore: 0,
    need: 0,
    lastError: null,
    deliveredAt: Number.NEGATIVE_INFINITY,
    failures: 0,
    isSaid: false,
    condition: null,
    since: 0,
    told: null,
    toldAt: now,
    parked: null,
    parkedAt: Number.NEGATIVE_INFINITY,
  };
}

/** It is paused, or does not answer, or answers with nothing but failures. */
export function isInTrouble({ room }: Place, now: number): boolean {
  return (
    room.rule.paused !== null || !room.breaker.isClosed() || room.standing === 'stuck' || room.isSilent(now)
  );
}

/** An endpoint without attempts, and without messages in its queue, is forgotten after this long, in milliseconds. */
const FORGET_AFTER_MS = 600_000;

/**
 * Nobody has wanted anything of it for long: what is known of it is old. One that is left alone until a certain time, since it
 * asked for that, is remembered until then.
 */
export function isIdle({ room, waiters, drain, isQueueing, parked, usedAt }: Place, now: number): boolean {
  const isWanted =
    room.inFlight > 0 || waiters.length > 0 || drain !== null || isQueueing || (parked ?? 0) > 0;
  const isOpen = !room.breaker.isClosed() && !room.breaker.isHalfOpen(now);
  return !isWanted && !isOpen && now - usedAt > FORGET_AFTER_MS;
}

/** Tells its drain that there may be room for more: soon, when the slot is free, too. */
export function wakeDrain(place: Place): void {
  if (place.drain === null || place.isWaking) return;
  place.isWaking = true;
  setImmediate(() => {
    place.isWaking = false;
    place.drain?.wake();
  });
}

/** What a message finds that wants to wait in its slot. */
type Wait = {
  readonly isParkedCopy: boolean;
  /** It takes its time, and has as many slots as it may: those that wait would be in the way of the others. */
  readonly isSlowest: boolean;
  /** Many endpoints have yet to answer, and many messages wait already. */
  readonly isCrowdedOut: boolean;
  /** How many slots the endpoint may have for attempts and waiting ones together; null: all, since nobody else wants them. */
  readonly most: number | null;
};

/** Why a message is not to wait in its slot for room at this endpoint, for a person; null: it may. */
export function whyNotWait(
  { room, waiters, isQueueing }: Place,
  now: number,
  { isParkedCopy, isSlowest, isCrowdedOut, most }: Wait,
): string | null {
  if (room.rule.paused !== null) return `paused: ${room.rule.paused}`;
  if (!room.breaker.isClosed()) return 'its circuit breaker is open';
  if (isQueueing && !isParkedCopy) return 'others wait in its queue';
  if (room.standing === 'stuck' || room.isSilent(now)) return 'it does not answer';
  if (isSlowest) return 'it is slow, and has all that it may';
  if (isCrowdedOut) return 'too many others have yet to answer';
  if (most !== null && room.inFlight + waiters.length >= most) return 'too many wait for it';
  return null;
}

/** Whether this one has waited long enough for what comes of it: while the window grows, or where the slots are what is scarce, waiting helps. */
export function isInVain(
  { room }: Place,
  waiter: Waiter,
  now: number,
  patienceMs: number,
  share: Share,
): boolean {
  const since = Math.max(waiter.since, room.window.grownAt);
  return now - since >= patienceMs && room.isHeldBack(share);
}
