import { isoTime } from './time.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What is due within this time waits in the queue of its minute. Longer than a day and the hour by which one is opened early. */
const MINUTE_BUCKET_HORIZON_MS = 26 * HOUR_MS;
/** How long before its span begins a queue is opened: a day is then moved to its minutes, a minute taken out. */
const OPENED_BEFORE_MS = { day: HOUR_MS, minute: 2000 };

/** No key of an endpoint has a dot. */
const KEY = /^at\.(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d))?$/;

/** Of all such keys, as NATS has it. */
export const SCHEDULED_KEYS = 'at.*';

/** A part of the parked stream where messages wait for their time. Times in milliseconds since 1970. */
export type ScheduledBucket = {
  readonly key: string;
  /** When it is taken out. */
  readonly opensAt: number;
  /** From when on all of it may come out. */
  readonly endsAt: number;
};

/**
 * Where what is due at this time waits: by its minute (`at.2027-01-31T12:00`, in UTC), or by its day (`at.2027-01-31`) where that
 * is far. So there are never many queues, and each is left alone until it is near, however many messages wait for years.
 */
export function scheduledKeyFor(dueAt: number, now: number): string {
  return `at.${isoTime(dueAt).slice(0, dueAt - now < MINUTE_BUCKET_HORIZON_MS ? 16 : 10)}`;
}

/** Whether what comes out of this queue is not due yet, and is moved to the queue of its minute. */
export function isDayBucket(key: string): boolean {
  return KEY.test(key) && !key.includes('T');
}

/** Null where it is the key of another queue. */
export function scheduledBucket(key: string): ScheduledBucket | null {
  const [, day, minute] = KEY.exec(key) ?? [];
  const beginsAt = Date.parse(`${day}T${minute ?? '00:00'}Z`);
  if (Number.isNaN(beginsAt)) return null;
  return minute === undefined
    ? { key, opensAt: beginsAt - OPENED_BEFORE_MS.day, endsAt: beginsAt - OPENED_BEFORE_MS.day }
    : { key, opensAt: beginsAt - OPENED_BEFORE_MS.minute, endsAt: beginsAt + MINUTE_MS };
}
