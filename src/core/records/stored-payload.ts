const decoder = new TextDecoder();

/** With deeper nesting, PostgreSQL's own parser may run out of stack. */
const DEEPEST = 500;

/**
 * A body as JSON that PostgreSQL can store as jsonb, whatever the bytes are: the body itself if it is JSON that jsonb can hold,
 * else a JSON string. A body longer than `maxBytes` becomes a string: its start, followed by `…`.
 */
export function storedPayload(body: Uint8Array, maxBytes: number): string {
  if (body.length > maxBytes) return asString(`${decoder.decode(body.subarray(0, maxBytes))}…`);
  const text = decoder.decode(body);
  return isHoldable(text) ? text : asString(text);
}

/** jsonb cannot hold NUL, lone surrogates, or numbers of more than 131 072 digits. */
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
