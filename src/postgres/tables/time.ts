/** The latest time that a JavaScript date holds, in milliseconds since 1970. */
const LATEST_MS = 8_640_000_000_000_000;

/**
 * SQL that reads a `timestamptz` as milliseconds since 1970, so that no setting of the session changes how it is written. A
 * `bigint`, because `extra_float_digits` can cut a floating-point number. NULL for `infinity`.
 */
export function epochMs(column: string): string {
  return `CASE WHEN isfinite(${column}) THEN round(extract(epoch FROM ${column}) * 1000)::bigint END`;
}

/** @param value The value of `epochMs`. */
export function timeOf(value: string): Date {
  return new Date(Math.max(-LATEST_MS, Math.min(Number(value), LATEST_MS)));
}

/** @param value The value of `epochMs`. */
export function timeOrNull(value: string | null): Date | null {
  return value === null ? null : timeOf(value);
}
