import { createHash } from 'node:crypto';

/**
 * The longest subject of a message that a worker stores, in bytes. nats-server closes the connection at a line of more than 4,096
 * bytes (`max_control_line`), which also holds a reply subject and two numbers. The same message would close the next connection,
 * too.
 */
export const LONGEST_SUBJECT = 3900;

/** Longer than every key that workers make. */
const LONGEST_KEY = 100;

/** The prefix of the subjects of copies of ordered webhooks. */
export const ORDERED_COPIES = 'ordered.';

/** The subject on which the copies for an endpoint are parked. */
export function parkedSubject(sourceStream: string, endpointKey: string): string {
  return `parked.${sourceStream}.${endpointKey}`;
}

/** The key of the parked queue that has this subject. */
export function parkedKey(subject: string): string {
  return subject.split('.').slice(2).join('.');
}

/** The key, or a shorter one in its place: another program may have published to the parked stream with any key. */
export function boundedKey(key: string): string {
  if (key.length <= LONGEST_KEY) return key;
  return `${key.slice(0, LONGEST_KEY / 2)}-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;
}

/** If several endpoints take one ordered subject, each endpoint gets a copy of every message, in its own queue. */
export function orderedCopySubject(sourceStream: string, subject: string, endpointKey: string): string {
  return `${ORDERED_COPIES}${sourceStream}.${subject}.${endpointKey}`;
}
