import { isoTime } from './time.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * A message that is due within this time waits in the queue of its minute, any other message in the queue of its day. Longer than
 * a day plus the hour by which a day's queue is opened early: below that, a message could be moved from a day to the same day.
 */
const MINUTE_BUCKET_HORIZON_MS = 26 * HOUR_MS;
/**
 * How long a queue is opened before its day or minute begins. The messages of a day are then moved to the queues of their
 * minutes; the messages of a minute are taken out.
 */
const OPENED_BEFORE_MS = { day: HOUR_MS, minute: 2000 };

/** The longest time that a message of an open minute's queue may have to wait, in milliseconds. */
const LONGEST_WAIT_MS = OPENED_BEFORE_MS.minute + MINUTE_MS;

/** An endpoint key has no dot, so it never matches. */
const KEY = /^at\.(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?$/;

/** The NATS pattern of all these keys. */
export const SCHEDULED_KEYS = 'at.*';

/** A queue of the parked stream where messages wait until they are due. Times in milliseconds since 1970. */
export type ScheduledBucket = {
  readonly key: string;
  /** From this time on its messages are taken out. */
  readonly opensAt: number;
  /** From this time on all its messages may be taken out. */
  readonly endsAt: number;
};

/**
 * The queue where a message that is due at this time waits: the queue of its minute (`at.2027-01-31T12:00`, in UTC), or of its
 * day (`at.2027-01-31`) if that is far away. So there are never many queues, and none is read before its time is near, however
 * many messages wait for years.
 */
export function scheduledKeyFor(dueAt: number, now: number): string {
  return `at.${isoTime(dueAt).slice(0, dueAt - now < MINUTE_BUCKET_HORIZON_MS ? 16 : 10)}`;
}

/** True if messages from this queue are not due yet, and are moved to the queues of their minutes. */
export function isDayBucket(key: string): boolean {
  return KEY.test(key) && !key.includes('T');
}

/** Null if the key is not the key of a scheduled queue. */
export function scheduledBucket(key: string): ScheduledBucket | null {
  const [, day, minute] = KEY.exec(key) ?? [];
  const beginsAt = Date.parse(`${day}T${minute ?? '00:00'}Z`);
  if (Number.isNaN(beginsAt)) return null;
  return minute === undefined
    ? { key, opensAt: beginsAt - OPENED_BEFORE_MS.day, endsAt: beginsAt - OPENED_BEFORE_MS.day }
    : { key, opensAt: beginsAt - OPENED_BEFORE_MS.minute, endsAt: beginsAt + MINUTE_MS };
}

/** A copy that came before its time. Times in milliseconds since 1970. */
type EarlyCopy = {
  /** By the clock of the worker that stored the copy, or of the publisher of a scheduled message. */
  readonly notBefore: number;
  /** By the clock of NATS. */
  readonly storedAt: number;
  /** False for a copy that waits for its next attempt. */
  readonly isScheduled: boolean;
};

/**
 * How long NATS keeps an early copy back, in milliseconds. Bounded, because the clock of this worker may be wrong now: NATS would
 * keep the copy back for as long as the clock was wrong, also when the clock is right again. A scheduled copy that is still early
 * after that is scheduled again. A copy that waits for its next attempt never waits longer than it had to when it was stored.
 */
export function waitOfEarlyCopy({ notBefore, storedAt, isScheduled }: EarlyCopy, now: number): number {
  const wait = Math.max(0, notBefore - now);
  if (isScheduled) return Math.min(wait, LONGEST_WAIT_MS);
  const wanted = notBefore - storedAt;
  // Not positive: the clocks of NATS and of the worker that stored the copy differ, so the wanted time is unknown.
  return wanted > 0 ? Math.min(wait, wanted) : wait;
}
