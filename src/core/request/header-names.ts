import { Header } from '../message/nats-headers.ts';

/** Headers of the request of an attempt, in lower case, as they are sent: the only place where their names are written. */
export const RequestHeader = {
  id: 'webhook-id',
  /** Of the attempt, in seconds since 1970. */
  timestamp: 'webhook-timestamp',
  signature: 'webhook-signature',
  /** The signature as GitHub writes it. */
  hubSignature: 'x-hub-signature-256',
  replayed: 'webhook-replayed',
  contentType: 'content-type',
  userAgent: 'user-agent',
  traceparent: Header.traceparent,
  tracestate: Header.tracestate,
} as const;

/**
 * A worker writes these headers itself. If a message names one, the worker leaves that value out: the signature covers id and
 * timestamp, so a value from the message would be wrong.
 */
export const WRITTEN_BY_WORKERS: ReadonlySet<string> = new Set([
  RequestHeader.id,
  RequestHeader.timestamp,
  RequestHeader.signature,
  RequestHeader.replayed,
]);
