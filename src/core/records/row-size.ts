import type { AttemptRecord, DeadLetterRecord } from './statistics.ts';

/** The memory of a row without its texts, in bytes: its fields, and the overhead of each text. */
const BESIDE_TEXTS = 500;

/** The approximate memory of the row of an attempt, in bytes. */
export function sizeOfAttempt(row: AttemptRecord): number {
  const { deliveryId, subject, url, error, responseExcerpt, eventType, eventId, webhookName } = row;
  return (
    BESIDE_TEXTS + sumOf(deliveryId, subject, url, error, responseExcerpt, eventType, eventId, webhookName)
  );
}

/** The approximate memory of the row of a dead letter, in bytes. */
export function sizeOfDeadLetter(row: DeadLetterRecord): number {
  const { deliveryId, subject, url, error, payload, eventType, eventId, webhookName } = row;
  return BESIDE_TEXTS + sumOf(deliveryId, subject, url, error, payload, eventType, eventId, webhookName);
}

function sumOf(...texts: readonly (string | null)[]): number {
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}
