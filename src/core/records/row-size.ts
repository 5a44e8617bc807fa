import type { AttemptRecord, DeadLetterRecord } from './statistics.ts';

/** What a row takes in memory beside its texts, in bytes: its fields, and what is around each text. */
const BESIDE_TEXTS = 500;

/** What the row of an attempt takes in memory, about, in bytes. */
export function sizeOfAttempt({ deliveryId, subject, url, error, responseExcerpt }: AttemptRecord): number {
  return BESIDE_TEXTS + sumOf(deliveryId, subject, url, error, responseExcerpt);
}

/** What the row of a dead letter takes in memory, about, in bytes. */
export function sizeOfDeadLetter({ deliveryId, subject, url, error, payload }: DeadLetterRecord): number {
  return BESIDE_TEXTS + sumOf(deliveryId, subject, url, error, payload);
}

function sumOf(...texts: readonly (string | null)[]): number {
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}
