import type { ReceivedMessage } from '../messages/received-message.ts';
import { groupPrefix, LONGEST_SUBJECT, orderedCopySubject } from '../streams/copy-subjects.ts';
import { type CopyHeaders, copyHeaderBlock } from './copy-headers.ts';

/** JetStream refuses a message with more header bytes. */
const MAX_HEADER_BYTES = 65_535;

/** The longest values that a copy may have: a message that fits once must fit again when it is parked again. */
const LONGEST: CopyHeaders = {
  deliveryId: 'x'.repeat(255),
  endpointKey: 'x'.repeat(80),
  webhookId: Number.MIN_SAFE_INTEGER,
  attempts: Number.MAX_SAFE_INTEGER,
  notBefore: 0,
};

const LONGEST_GROUP = groupPrefix('x'.repeat(255));

/** The headers that a copy adds, in bytes at most, without its subject. Each character of a subject has at most 3 bytes. */
const ADDED_BYTES = 2048;
const SUBJECT_GROWTH = 3;
/** A copied header is at most so many times as large: `Nats-x` becomes `Webhook-Original-Nats-x`, and a wrong byte three bytes. */
const HEADER_GROWTH = 4;

/**
 * Why NATS can never take a copy of the message, with the limit, for a person. Null: NATS can take it. Only a large message is
 * measured, because this question comes with every message.
 *
 * @param maxPayload Of the server, in bytes. @default no limit
 */
export function copyObstacle(
  message: ReceivedMessage,
  sourceStream: string,
  maxPayload: number = Number.POSITIVE_INFINITY,
): string | null {
  const { orderingKey, data } = message;
  if (orderingKey !== null) {
    const subject = Buffer.byteLength(orderedCopySubject(sourceStream, orderingKey, LONGEST.endpointKey));
    if (subject > LONGEST_SUBJECT)
      return `the subject of a copy has ${subject} bytes; the limit is ${LONGEST_SUBJECT}: publish to a shorter subject`;
  }
  const atMost =
    (message.size - data.length) * HEADER_GROWTH + message.subject.length * SUBJECT_GROWTH + ADDED_BYTES;
  if (atMost <= MAX_HEADER_BYTES && atMost + data.length <= maxPayload) return null;
  const headers = copyHeaderBlock(message, LONGEST, LONGEST_GROUP).length;
  if (headers > MAX_HEADER_BYTES)
    return `the headers of a copy have ${headers} bytes; the limit of JetStream is ${MAX_HEADER_BYTES}: publish fewer or shorter headers`;
  const size = headers + data.length;
  if (size > maxPayload)
    return `a copy, with its headers, has ${size} bytes; the limit is ${maxPayload}: raise max_payload of nats-server, or publish smaller messages`;
  return null;
}
