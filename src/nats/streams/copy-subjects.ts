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

/** If several endpoints take one ordered subject, each endpoint gets a copy of every message, in its own queue. */
export function orderedCopySubject(sourceStream: string, subject: string, endpointKey: string): string {
  return `${ORDERED_COPIES}${sourceStream}.${subject}.${endpointKey}`;
}
