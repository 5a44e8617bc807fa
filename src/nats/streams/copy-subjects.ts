/** Subjects of copies of ordered webhooks begin with it. */
export const ORDERED_COPIES = 'ordered.';

/** Where copies for an endpoint are parked. */
export function parkedSubject(sourceStream: string, endpointKey: string): string {
  return `parked.${sourceStream}.${endpointKey}`;
}

/** The key of the queue that it is the subject of. */
export function parkedKey(subject: string): string {
  return subject.split('.').slice(2).join('.');
}

/** Where several endpoints take one ordered subject, each has a copy of every message, in a queue of its own. */
export function orderedCopySubject(sourceStream: string, subject: string, endpointKey: string): string {
  return `${ORDERED_COPIES}${sourceStream}.${subject}.${endpointKey}`;
}
