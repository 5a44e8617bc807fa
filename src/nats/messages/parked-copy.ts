import { headers, type MsgHdrs } from 'nats';
import { scheduledQueue } from '../../core/scheduled-queue.ts';
import { Header, headerText, isOurs, keptName, originalName } from './headers.ts';
import type { HandOut, Place } from './received-message.ts';

/** What a copy says of the message that it is a copy of. */
export type Origin = {
  /** Where the message was published. */
  readonly subject: string;
  readonly place: Place;
  /** Attempts made before it was parked. */
  readonly attempts: number;
  /** When it was published, in milliseconds since 1970; null where the copy does not say. */
  readonly firstSeen: number | null;
  /** Before when it is not to be sent, in milliseconds since 1970; null: at once. */
  readonly notBefore: number | null;
};

/** What is written on a copy. */
export type Parking = {
  readonly deliveryId: string;
  readonly endpointKey: string;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Milliseconds since 1970; null: it may be sent at once. */
  readonly notBefore: number | null;
};

const DELIVERY_ID = Header.deliveryId.toLowerCase();

/** Null for a message in the parked stream that is no copy of ours: it does not say where it comes from. */
export function readOrigin(copy: MsgHdrs | undefined): Origin | null {
  const subject = copy?.get(Header.originalSubject);
  const stream = copy?.get(Header.originalStream);
  const created = count(copy?.get(Header.originalStreamCreated));
  const sequence = count(copy?.get(Header.originalSequence));
  if (!subject || !stream || created === null || sequence === null) return null;
  return {
    subject,
    place: { stream, created, sequence },
    attempts: count(copy?.get(Header.attempts)) ?? 0,
    firstSeen: time(copy?.get(Header.firstSeen)),
    notBefore: time(copy?.get(Header.notBefore)),
  };
}

/** The headers of a copy as the message had them when it was published; its delivery's id is the one that it was parked with. */
export function publishedHeaders(copy: MsgHdrs): MsgHdrs {
  const published = headers();
  for (const [name, values] of copy) {
    // Its own `Nats-Msg-Id`, and whatever else steered the server, is of the copy alone.
    if (isOurs(name) || keptName(name) !== name) continue;
    for (const value of values) published.append(originalName(name), value);
  }
  return published;
}

/**
 * The headers of a copy, as they go over the wire. They hold nothing of the copy that is itself copied, so that a
 * message that is parked again and again does not grow.
 */
export function copyHeaderBlock(handOut: HandOut, parking: Parking): Uint8Array {
  const { stream, created, sequence } = handOut.place;
  let block =
    'NATS/1.0\r\n' +
    `${Header.messageId}: ${stream}:${created}:${sequence}:${messageIdKey(parking.endpointKey)}\r\n` +
    `${Header.deliveryId}: ${headerText(parking.deliveryId)}\r\n` +
    `${Header.attempts}: ${parking.attempts}\r\n` +
    `${Header.originalSubject}: ${handOut.subject}\r\n` +
    `${Header.originalStream}: ${handOut.stream}\r\n` +
    `${Header.originalStreamCreated}: ${handOut.streamCreated}\r\n` +
    `${Header.originalSequence}: ${handOut.sequence}\r\n` +
    `${Header.firstSeen}: ${new Date(handOut.firstSeen).toISOString()}\r\n`;
  if (parking.notBefore !== null) {
    block += `${Header.notBefore}: ${new Date(parking.notBefore).toISOString()}\r\n`;
  }
  for (const [name, values] of handOut.headers()) {
    if (isOurs(name) || name.toLowerCase() === DELIVERY_ID) continue;
    for (const value of values) block += `${keptName(name)}: ${value}\r\n`;
  }
  return Buffer.from(`${block}\r\n`);
}

/** The queue of one time is another one later, when that time is nearer: both copies would be one too many. */
function messageIdKey(endpointKey: string): string {
  return scheduledQueue(endpointKey) === null ? endpointKey : 'at';
}

function count(text: string | undefined): number | null {
  if (text === undefined || !/^\d+$/.test(text)) return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : null;
}

function time(text: string | undefined): number | null {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? null : ms;
}
