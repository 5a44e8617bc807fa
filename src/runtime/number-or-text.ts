/** A double always keeps this number of decimal digits. */
const SAFE_DIGITS = 15;
/** The shortest text of a double has at most this number of digits. */
const MOST_DIGITS = 17;

/**
 * The number in a text of PostgreSQL if a JSON number keeps every digit, else the text. `12345678901234567890` stays text,
 * because most programs would read it as 12345678901234567000.
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

/** The digits without sign, point, exponent, and zeros at both ends. */
function significantDigits(text: string): string {
  const [mantissa = ''] = text.replace(/^-/, '').split(/e/i);
  return mantissa.replace('.', '').replace(/^0+|0+$/g, '');
}
