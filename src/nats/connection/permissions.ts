import type { Status } from 'nats';

/** A subject that our user may not use, as the server says it. */
export type DeniedPermission = NonNullable<Status['permissionContext']>;

/** `NATS denies our user the right to publish to "a.b"`. */
export function describeDenied({
  operation,
  subject,
}: Pick<DeniedPermission, 'operation' | 'subject'>): string {
  const right = operation === 'publish' ? 'publish to' : 'subscribe to';
  return `NATS denies our user the right to ${right} "${subject}"`;
}

/** Requests to JetStream fail, and who made them knows whether that matters; a pull and an ack have no such answer. */
export function isReportedToCaller(denied: DeniedPermission | undefined): boolean {
  return (
    denied?.operation === 'publish' &&
    /^\$JS\.([^.]+\.)?API\./.test(denied.subject) &&
    !denied.subject.includes('.CONSUMER.MSG.NEXT.')
  );
}
