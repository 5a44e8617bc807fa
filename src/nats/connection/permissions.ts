import type { Status } from 'nats';

/** A subject that our user may not use, as the server says it. */
export type DeniedRight = NonNullable<Status['permissionContext']>;

/** `NATS denies our user the right to publish to "a.b"`. */
export function rightDenied({ operation, subject }: Pick<DeniedRight, 'operation' | 'subject'>): string {
  const right = operation === 'publish' ? 'publish to' : 'subscribe to';
  return `NATS denies our user the right to ${right} "${subject}"`;
}

/** Requests to JetStream fail, and who made them knows whether that matters; a pull and an ack have no such answer. */
export function isToldToItsAsker(denied: DeniedRight | undefined): boolean {
  return (
    denied?.operation === 'publish' &&
    /^\$JS\.([^.]+\.)?API\./.test(denied.subject) &&
    !denied.subject.includes('.CONSUMER.MSG.NEXT.')
  );
}
