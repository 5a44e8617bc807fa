/** The unit of a number without a suffix. */
export type DurationUnit = 'milliseconds' | 'hours' | 'days';

export type DurationRange = {
  readonly unit: DurationUnit;
  /** In the unit; `min` and `max` themselves are allowed. */
  readonly min: number;
  readonly max: number;
  /** True if fractions of the unit are refused. */
  readonly whole: boolean;
};

const MS_OF_SUFFIX: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const MS_OF_UNIT: Readonly<Record<DurationUnit, number>> = {
  milliseconds: 1,
  hours: 3_600_000,
  days: 86_400_000,
};

/**
 * Parses a duration into `unit`: `2s` is 2000 milliseconds; a number without a suffix is already in `unit`.
 *
 * @throws {TypeError} that repeats the text, and names the allowed range.
 */
export function parseDuration(text: string, { unit, min, max, whole }: DurationRange): number {
  const [, digits, suffix] = /^\s*(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|d)?\s*$/.exec(text) ?? [];
  const factor = suffix === undefined ? 1 : MS_OF_SUFFIX[suffix]! / MS_OF_UNIT[unit];
  const value = digits === undefined ? Number.NaN : rounded(Number(digits) * factor);
  if (whole && value >= min && value <= max && !Number.isInteger(value)) {
    throw new TypeError(`"${text}" is not a whole number of ${unit}`);
  }
  if (value >= min && value <= max) return value;
  throw new TypeError(
    `"${text}" is not a duration from ${min} to ${max} ${unit}; write a number of ${unit}, or one with its unit: 500ms, 2s, 5m, 1h, 1d`,
  );
}

/** Removes the error of binary fractions: 1.1 s would be 1100.0000000000002 ms. */
function rounded(value: number): number {
  return Math.round(value * 1e9) / 1e9;
}
