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

/** Whose copies and dead letters they are. */
export type CopyOwner = {
  /** The stream whose messages are copied. STREAM_NAME. */
  readonly sourceStream: string;
  /** QUEUE_GROUP. */
  readonly group: string;
};

/** The group whose copies have no group in their subjects, as those of all groups had in earlier versions. */
export const DEFAULT_GROUP = 'webhook-workers';

/** No key of a queue begins with this. */
const GROUP = 'group.';

/**
 * What stands before the endpoint key in the subjects and ids of copies and dead letters of a group, so that two groups on one
 * stream do not take each other's copies. Empty for the default group.
 */
export function groupPrefix(group: string): string {
  return group === DEFAULT_GROUP ? '' : `${GROUP}${group}.`;
}

/** True if the key that stands in a subject is the one of another group than the default group. */
export function isOfNamedGroup(key: string): boolean {
  return key.startsWith(GROUP);
}

/** The group whose copies have this key in their subjects. */
export function groupOfKey(key: string): string {
  return isOfNamedGroup(key) ? key.slice(GROUP.length).split('.', 1)[0]! : DEFAULT_GROUP;
}

/** The subject on which the copies of a queue are parked. */
export function parkedSubject({ sourceStream, group }: CopyOwner, queueKey: string): string {
  return `parked.${sourceStream}.${groupPrefix(group)}${queueKey}`;
}

/** The key of the parked queue that has this subject, whatever its group. */
export function parkedKey(subject: string): string {
  const key = subject.split('.').slice(2);
  return key.slice(isOfNamedGroup(key.join('.')) ? 2 : 0).join('.');
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
