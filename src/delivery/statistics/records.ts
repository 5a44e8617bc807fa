import type { Delivery } from '../../core/message/delivery.ts';
import type { AttemptRecord, DeadLetterRecord } from '../../core/records/statistics.ts';
import { storedPayload } from '../../core/records/stored-payload.ts';
import { NO_ENDPOINT_KEY, withoutQuery } from '../../core/request/target.ts';
import { type Attempt, attemptsMade, describeFailure, wasSent } from '../../core/retry/attempt.ts';
import type { Disposition } from '../../core/retry/disposition.ts';
import { deadLetterDetail } from '../../core/retry/verdict.ts';
import { deliveryKeyOf } from '../delivery-key.ts';
import type { Message } from '../message.ts';
import { isUndeliverable, type Undeliverable } from '../resolve.ts';
import { eventFactsOf } from './event-facts.ts';

/** Which attempts become rows. */
export type AttemptLog = 'all' | 'failures' | 'off';

/**
 * Returns the row of an attempt, or of a discarded message; null if a message that is not discarded was not sent, or if
 * ATTEMPT_LOG excludes the row.
 */
export function attemptRecord(
  message: Message,
  delivery: Delivery | Undeliverable,
  attempt: Attempt,
  disposition: Disposition,
  wanted: AttemptLog,
): AttemptRecord | null {
  const { outcome, startedAt, durationMs } = attempt;
  if (wanted === 'off') return null;
  if (isUndeliverable(delivery))
    return disposition.kind === 'discard' ? discardRecord(message, delivery, attempt) : null;
  if (!wasSent(outcome)) return null;
  // A success after failures gets a row, too. Without it, the delivery would look as if its retries never ended.
  if (wanted === 'failures' && disposition.kind === 'ack' && message.attemptNumber === 1) return null;
  const responded = outcome.kind === 'responded' ? outcome : null;
  return {
    deliveryId: delivery.id,
    attemptNumber: message.attemptNumber,
    subject: message.subject,
    ...lastingIdentityOf(delivery),
    url: withoutQuery(delivery.target),
    method: delivery.method,
    outcome: outcome.kind,
    status: responded?.status ?? null,
    error: describeFailure(outcome),
    responseExcerpt: responded?.excerpt ?? null,
    startedAt,
    durationMs,
    verdict: disposition.kind,
    deadLetterReason: disposition.kind === 'deadLetter' ? disposition.reason : null,
    nextAttemptAt: disposition.kind === 'retry' ? startedAt + durationMs + disposition.delayMs : null,
    ...eventFactsOf(message, delivery),
  };
}

/** All rows of a delivery have the same key, also if its URL is split off from its origin between two attempts. */
function lastingIdentityOf(delivery: Delivery | Undeliverable) {
  const { endpointKey, lastingKey = endpointKey, webhookId } = deliveryKeyOf(delivery);
  return { endpointKey: lastingKey, webhookId };
}

/** A discarded message can be found by its id: it is gone from NATS, and no endpoint knows of it. */
function discardRecord(
  message: Message,
  delivery: Undeliverable,
  { startedAt, durationMs }: Attempt,
): AttemptRecord {
  const { id, endpointKey, webhookId, outcome } = delivery;
  return {
    deliveryId: id,
    attemptNumber: 0,
    subject: message.subject,
    endpointKey,
    webhookId,
    url: null,
    method: null,
    outcome: outcome.kind,
    status: null,
    error: describeFailure(outcome),
    responseExcerpt: null,
    startedAt,
    durationMs,
    verdict: 'discard',
    deadLetterReason: null,
    nextAttemptAt: null,
    ...eventFactsOf(message, delivery),
  };
}

/**
 * Returns the row of a dead letter; null if the message did not become a dead letter.
 *
 * @param storedBytes The most bytes of the body in the row; 0: none.
 */
export function deadLetterRecord(
  message: Message,
  delivery: Delivery | Undeliverable,
  attempt: Attempt,
  disposition: Disposition,
  storedBytes: number,
): DeadLetterRecord | null {
  if (disposition.kind !== 'deadLetter') return null;
  const { endpointKey, webhookId } = lastingIdentityOf(delivery);
  const intended = intendedOf(delivery);
  return {
    deliveryId: delivery.id,
    subject: message.subject,
    sequence: message.sequence,
    endpointKey: endpointKey === NO_ENDPOINT_KEY ? null : endpointKey,
    webhookId,
    attempts: attemptsMade(message.attemptNumber, attempt.outcome),
    reason: disposition.reason,
    error: deadLetterDetail(attempt, disposition),
    url: intended === undefined ? null : withoutQuery(intended.target),
    durationMs: attempt.durationMs,
    at: attempt.startedAt + attempt.durationMs,
    ...eventFactsOf(message, delivery),
    payload: storedBytes === 0 ? null : payloadOf(message, delivery, storedBytes),
  };
}

/**
 * Returns the body; for an endpoint of `rule_webhooks` the payload, because the template of the row may contain a secret. An
 * envelope that cannot be sent is not stored, because it may contain headers.
 */
function payloadOf(message: Message, delivery: Delivery | Undeliverable, storedBytes: number): string | null {
  const intended = intendedOf(delivery);
  // A bare payload contains no headers.
  if (intended === undefined) return isBare(delivery) ? storedPayload(message.data, storedBytes) : null;
  if (intended.endpoint !== null) return storedPayload(message.data, storedBytes);
  return intended.body === null ? null : storedPayload(intended.body, storedBytes);
}

function isBare(delivery: Delivery | Undeliverable): boolean {
  if (!isUndeliverable(delivery) || delivery.outcome.kind !== 'undeliverable') return false;
  return delivery.outcome.reason === 'unroutable' || delivery.outcome.reason === 'disabled';
}

/** Returns the request that would have been sent, if it is known. */
function intendedOf(delivery: Delivery | Undeliverable): Delivery | undefined {
  return isUndeliverable(delivery) ? delivery.intended : delivery;
}
