/** What is written on a copy. */

import { scheduledBucket } from '../../core/scheduled-queue.ts';
import { Header, headerText, isOurs, keptName } from '../messages/headers.ts';
import type { HandOut } from '../messages/received-message.ts';

export type Parking = {
  readonly deliveryId: string;
  readonly endpointKey: string;
  /** Attempts made so far. */
  readonly attempts: number;
  /** Milliseconds since 1970; null: it may be sent at once. */
  readonly notBefore: number | null;
};

const DELIVERY_ID = Header.deliveryId.toLowerCase();

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
  return scheduledBucket(endpointKey) === null ? endpointKey : 'at';
}
