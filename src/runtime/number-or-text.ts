/** Decimal digits that a double always keeps. */
const SAFE_DIGITS = 15;
/** The most that the shortest text of a double can have. */
const MOST_DIGITS = 17;

/**
 * The number that a text of PostgreSQL says, where a JSON number keeps it to the last digit; else the text.
 * `12345678901234567890` stays text: readers would make 12345678901234567000 of it.
 */
export function numberOrText(text: string | null): number | string | null {
  if (text === null) return null;
  const value = Number(text);
  if (!Number.isFinite(value) || text.trim() === '') return text;
  const digits = significantDigits(text);
  if (digits === '') return value === 0 ? 0 : text;
  if (value === 0) return text;
  if (digits.length <= SAFE_DIGITS) return value;
  return digits.length <= MOST_DIGITS && digits === significantDigits(String(value)) ? value : text;
}

/** Without sign, point, exponent, and zeros at both ends. */
function significantDigits(text: string): string {
  const [mantissa = ''] = text.replace(/^-/, '').split(/e/i);
  return mantissa.replace('.', '').replace(/^0+|0+$/g, '');
}
