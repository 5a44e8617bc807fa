const decoder = new TextDecoder();

/** With deeper nesting, PostgreSQL's own parser may run out of stack. */
const DEEPEST = 500;

/** The limits of `numeric`. */
const MAX_DIGITS_BEFORE_POINT = 131_072;
const MAX_DIGITS_AFTER_POINT = 16_383;

/** A number with its digits after the point and its exponent. */
const NUMBER = /\d+(?:\.(\d+))?(?:[eE]([+-]?\d+))?/g;

/**
 * A body as JSON that PostgreSQL can store as jsonb, whatever the bytes are: the body itself if it is JSON that jsonb can hold,
 * else a JSON string. A body longer than `maxBytes` becomes a string: its start, followed by `…`.
 */
export function storedPayload(body: Uint8Array, maxBytes: number): string {
  if (body.length > maxBytes) return asString(`${decoder.decode(body.subarray(0, maxBytes))}…`);
  const text = decoder.decode(body);
  return isHoldable(text) ? text : asString(text);
}

/** jsonb cannot hold NUL, lone surrogates, or numbers with more digits than `numeric` has. */
function isHoldable(text: string): boolean {
  if (/\\u0000|\\ud[89a-f]/i.test(text)) return false;
  // `numeric` may hold such a number, and would write it with thousands of zeros.
  if (/\d[eE][+-]?\d{4}/.test(text) || !areNumbersHoldable(text)) return false;
  if ((text.match(/[[{]/g)?.length ?? 0) > DEEPEST) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Digits within a text count as a number, too: then the body becomes a string without need, and nothing is lost. */
function areNumbersHoldable(text: string): boolean {
  for (const [number, fraction = '', exponent = '0'] of text.matchAll(NUMBER)) {
    const shift = Number(exponent);
    if (number.length + Math.max(0, shift) > MAX_DIGITS_BEFORE_POINT) return false;
    if (fraction.length + Math.max(0, -shift) > MAX_DIGITS_AFTER_POINT) return false;
  }
  return true;
}

function asString(text: string): string {
  return JSON.stringify(text.replaceAll('\0', '\ufffd'));
}
