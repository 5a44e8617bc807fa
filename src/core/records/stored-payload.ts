const decoder = new TextDecoder();

/** Nested deeper than this, PostgreSQL's own parser may run out of stack. */
const DEEPEST = 500;

/**
 * A body as JSON that PostgreSQL stores as jsonb, whatever the bytes are: itself where it is JSON that jsonb can hold, else a
 * string. Longer than `maxBytes`: a string of its start, with `…` behind it.
 */
export function storedPayload(body: Uint8Array, maxBytes: number): string {
  if (body.length > maxBytes) return asString(`${decoder.decode(body.subarray(0, maxBytes))}…`);
  const text = decoder.decode(body);
  return isHoldable(text) ? text : asString(text);
}

/** jsonb knows no NUL, no lone surrogates, and no numbers beyond 131 072 digits. */
function isHoldable(text: string): boolean {
  if (/\\u0000|\\ud[89a-f]/i.test(text) || /\d[eE][+-]?\d{4}/.test(text)) return false;
  if ((text.match(/[[{]/g)?.length ?? 0) > DEEPEST) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function asString(text: string): string {
  return JSON.stringify(text.replaceAll('\0', '\ufffd'));
}
