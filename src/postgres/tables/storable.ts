/**
 * Makes any value storable in PostgreSQL, so that no message can stop the flush of its rows: no NUL, no half of a surrogate pair,
 * no number outside its column's range. Any other value is stored as it is.
 */

/** Longest text of a column that is not indexed, in characters. */
const MAX_TEXT = 16_384;

/**
 * Longest text of an indexed column, in characters. With 4 bytes per character, below the 2704 bytes that a B-tree entry may
 * have.
 */
const MAX_INDEXED_TEXT = 600;

/** Longest name, in characters: two names share one entry of a unique index. */
const MAX_NAME = 300;

export const MAX_INTEGER = 2_147_483_647;

export function storableText(value: string, max = MAX_TEXT): string {
  const cut = value.length > max ? value.slice(0, max) : value;
  return (cut.includes('\0') ? cut.replaceAll('\0', '\ufffd') : cut).toWellFormed();
}

export function indexedText(value: string): string {
  return storableText(value, MAX_INDEXED_TEXT);
}

export function nameText(value: string): string {
  return storableText(value, MAX_NAME);
}

export function nullable<T, U>(value: T | null, storable: (value: T) => U): U | null {
  return value === null ? null : storable(value);
}

/** A number from 0 to `max`; NaN becomes 0. */
export function storableNumber(value: number, max: number): number {
  return value > 0 ? Math.min(value, max) : 0;
}

export function storableCount(value: number, max: number = Number.MAX_SAFE_INTEGER): number {
  return Math.trunc(storableNumber(value, max));
}

/** A time in milliseconds since 1970, from 1970 to the end of the year 9998. */
export function storableTime(value: number): number {
  return storableCount(value, Date.UTC(9999, 0) - 1);
}
