import { Header } from '../message/nats-headers.ts';
import { timeToLive } from '../message/time-to-live.ts';
import type { NatsHeaders } from '../request/headers.ts';
import { isReplay } from '../request/headers.ts';
import { ACCEPTED_TIMES, END_MS, isoTime, parseTime } from '../time.ts';
import type { Outcome } from './attempt.ts';

const MAX_AGE = 'MAX_AGE_HOURS';

/** From `at` on, in milliseconds since 1970, the message is not sent any more. `source` sets this time. */
export type Expiry = {
  readonly at: number;
  readonly source: typeof Header.expiresAt | typeof Header.timeToLive | typeof MAX_AGE;
};

export type DeliveryWindow = {
  /** The message is not sent before this time, in milliseconds since 1970; null: it may be sent at once. */
  readonly deliverAt: number | null;
  /** Null: the message never expires. */
  readonly expiry: Expiry | null;
  /** What is wrong with the time headers of the message, and the cure; null: they are correct. */
  readonly problem: string | null;
};

const NO_WINDOW: DeliveryWindow = { deliverAt: null, expiry: null, problem: null };

/**
 * The clocks of two workers may differ by this time, in milliseconds. A message from a scheduled queue that is early by at most
 * this time is sent; a message that is earlier is scheduled again.
 */
const CLOCK_SKEW_MS = 100;

/**
 * When a message may be delivered, by its NATS headers and MAX_AGE_HOURS. The age counts from the publication, or from
 * `Webhook-Deliver-At` if that is later: otherwise a scheduled message could be too old when it is due. `Nats-TTL` counts from the
 * publication, because that is when the server removes the message. An operator asked for a replay, so a `Webhook-Expires-At`
 * before the publication of the replay does not count.
 *
 * @param message.publishedAt When the message was published, in milliseconds since 1970.
 * @param maxAgeMs MAX_AGE_HOURS, in milliseconds; 0: no limit.
 */
export function deliveryWindowOf(
  message: NatsHeaders & { readonly publishedAt: number },
  maxAgeMs: number,
): DeliveryWindow {
  const deliverAt = timeIn(message, Header.deliverAt);
  const expiresAt = timeIn(message, Header.expiresAt);
  const ttl = timeToLive(message);
  const replay = isReplay(message);
  const hasTimes = deliverAt !== null || expiresAt !== null || ttl !== null || maxAgeMs !== 0;
  if (!hasTimes && typeof replay === 'boolean') return NO_WINDOW;
  for (const { problem } of [deliverAt, expiresAt, ttl, replay].filter(isProblem))
    return { ...NO_WINDOW, problem };

  const until: Expiry[] = [];
  if (typeof expiresAt === 'number' && !(replay === true && expiresAt <= message.publishedAt))
    until.push({ at: expiresAt, source: Header.expiresAt });
  if (typeof ttl === 'number') until.push({ at: message.publishedAt + ttl, source: Header.timeToLive });
  const due = typeof deliverAt === 'number' ? deliverAt : null;
  if (maxAgeMs > 0) until.push({ at: Math.max(message.publishedAt, due ?? 0) + maxAgeMs, source: MAX_AGE });
  const [first] = until.filter(({ at }) => at < END_MS).sort((one, other) => one.at - other.at);
  return { deliverAt: due, expiry: first ?? null, problem: null };
}

/**
 * Why the message must not be sent now; null: it may be sent.
 *
 * @param waitedUntil The time that the message has already waited for, perhaps by another worker's clock; null: it has not
 *   waited.
 */
export function checkWindow(
  { deliverAt, expiry }: DeliveryWindow,
  now: number,
  waitedUntil: number | null,
): Extract<Outcome, { kind: 'expired' | 'notDue' }> | null {
  if (expiry !== null && isOver(expiry, now))
    return { kind: 'expired', detail: `${expiry.source}: expired at ${isoTime(expiry.at)}` };
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

/** An empty header counts as absent. */
function timeIn(message: NatsHeaders, name: string): number | null | Problem {
  const text = message.header(name)?.trim();
  if (!text) return null;
  return parseTime(text) ?? { problem: `the NATS header ${name} is not a time: ${ACCEPTED_TIMES}` };
}
