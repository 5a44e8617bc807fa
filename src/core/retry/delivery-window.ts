import { Header } from '../message/nats-headers.ts';
import type { NatsHeaders } from '../request/headers.ts';
import { isReplay } from '../request/headers.ts';
import { ACCEPTED_TIMES, isoTime, parseTime } from '../time.ts';
import type { Outcome } from './attempt.ts';

const MAX_AGE = 'MAX_AGE_HOURS';

/** From when on nothing is sent any more, in milliseconds since 1970, and what says so. */
export type Expiry = { readonly at: number; readonly source: typeof Header.expiresAt | typeof MAX_AGE };

export type DeliveryWindow = {
  /** Before when nothing is sent, in milliseconds since 1970; null: it may be sent at once. */
  readonly deliverAt: number | null;
  /** Null: never. */
  readonly expiry: Expiry | null;
  /** What is wrong with what the message says of them, and the cure; null: nothing. */
  readonly problem: string | null;
};

const NO_WINDOW: DeliveryWindow = { deliverAt: null, expiry: null, problem: null };

/** What came out of the queue of its time is not sent back for clocks of workers that differ by less, in milliseconds. */
const CLOCK_SKEW_MS = 100;

/**
 * When a message is to be delivered, by its NATS headers and MAX_AGE_HOURS. The age counts from when it was published, or
 * from its `Webhook-Deliver-At`, if that is later: else what waits for its time would be too old for it. A replay is the
 * will of an operator: an expiry that was over by then does not count.
 *
 * @param message.publishedAt When it was published, in milliseconds since 1970.
 * @param maxAgeMs MAX_AGE_HOURS, in milliseconds; 0: none.
 */
export function deliveryWindowOf(
  message: NatsHeaders & { readonly publishedAt: number },
  maxAgeMs: number,
): DeliveryWindow {
  const deliverAt = timeIn(message, Header.deliverAt);
  const expiresAt = timeIn(message, Header.expiresAt);
  const replay = isReplay(message);
  if (deliverAt === null && expiresAt === null && maxAgeMs === 0 && typeof replay === 'boolean')
    return NO_WINDOW;
  for (const { problem } of [deliverAt, expiresAt, replay].filter(isProblem))
    return { ...NO_WINDOW, problem };

  const until: Expiry[] = [];
  if (typeof expiresAt === 'number' && !(replay === true && expiresAt <= message.publishedAt))
    until.push({ at: expiresAt, source: Header.expiresAt });
  const due = typeof deliverAt === 'number' ? deliverAt : null;
  if (maxAgeMs > 0) until.push({ at: Math.max(message.publishedAt, due ?? 0) + maxAgeMs, source: MAX_AGE });
  until.sort((one, other) => one.at - other.at);
  return { deliverAt: due, expiry: until[0] ?? null, problem: null };
}

/**
 * Why it is not to be sent now; null: it is.
 *
 * @param waitedUntil Until when it has waited already, by another worker's clock perhaps; null: it has not.
 */
export function checkWindow(
  { deliverAt, expiry }: DeliveryWindow,
  now: number,
  waitedUntil: number | null,
): Extract<Outcome, { kind: 'expired' | 'notDue' }> | null {
  if (expiry !== null && isOver(expiry, now))
    return { kind: 'expired', detail: `${expiry.source} is over since ${isoTime(expiry.at)}` };
  if (deliverAt === null) return null;
  const hasWaited = waitedUntil !== null && waitedUntil >= deliverAt;
  if (deliverAt <= now + (hasWaited ? CLOCK_SKEW_MS : 0)) return null;
  if (expiry === null || expiry.at > deliverAt) return { kind: 'notDue', dueAt: deliverAt };
  const detail = `${Header.deliverAt}, ${isoTime(deliverAt)}, is not before ${expiry.source}, ${isoTime(expiry.at)}`;
  return { kind: 'expired', detail };
}

export function isOver(expiry: Expiry | null, now: number): boolean {
  return expiry !== null && now >= expiry.at;
}

type Problem = { readonly problem: string };

function isProblem(given: unknown): given is Problem {
  return typeof given === 'object' && given !== null;
}

/** An empty one counts as absent. */
function timeIn(message: NatsHeaders, name: string): number | null | Problem {
  const text = message.header(name)?.trim();
  if (!text) return null;
  return parseTime(text) ?? { problem: `the NATS header ${name} is no time: ${ACCEPTED_TIMES}` };
}
