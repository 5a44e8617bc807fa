import type { Status } from 'nats';

/** A subject that our user may not use, as the server reports it. */
export type DeniedPermission = NonNullable<Status['permissionContext']>;

/** `NATS denies our user the right to publish to "a.b"`. */
export function describeDenied({
  operation,
  subject,
}: Pick<DeniedPermission, 'operation' | 'subject'>): string {
  const right = operation === 'publish' ? 'publish to' : 'subscribe to';
  return `NATS denies our user the right to ${right} "${subject}"`;
}

/**
 * True if the caller of the request gets the error, and decides whether the error matters: requests to the JetStream API.
 * A denied pull request or ack fails without an error for its caller.
 */
export function isReportedToCaller(denied: DeniedPermission | undefined): boolean {
  return (
    denied?.operation === 'publish' &&
    /^\$JS\.([^.]+\.)?API\./.test(denied.subject) &&
    !denied.subject.includes('.CONSUMER.MSG.NEXT.')
  );
}
