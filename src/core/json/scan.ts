/** Called for each child of the top-level object or array: for an object `key` and then `value`, for an array only `value`. */
export interface ChildVisitor {
  /** The bytes of a key without its quotes, with escapes as they are written. */
  key(start: number, end: number): void;
  /** The bytes of a child, without the white space around it. */
  value(start: number, end: number): void;
}

/** The kind of each byte inside a string: 0 for an ordinary byte, 1 for the end, an escape or a control character. */
const STOPS_STRING = new Uint8Array(256);
STOPS_STRING.fill(1, 0, 0x20);
STOPS_STRING[0x22] = 1;
STOPS_STRING[0x5c] = 1;

/** 1 for each byte that may follow a backslash, except `u`: " / \ b f n r t */
const ESCAPES = new Uint8Array(256);
for (const character of '"/\\bfnrt') ESCAPES[character.charCodeAt(0)] = 1;

const ARRAY = 0;
const OBJECT = 1;

/** The kinds of the open containers, for messages of ordinary depth. Shared by all scans: only one scan runs at a time. */
const SHALLOW = new Uint8Array(256);

/**
 * Validates all bytes as one JSON value, exactly as strictly as `JSON.parse`, and reports the children of the top level. Takes
 * linear time and no recursion, whatever the nesting. Bytes outside ASCII are accepted only inside strings.
 *
 * @param visitor Called during the scan, so it must not start another scan. Also called for children of a value that later turns
 *   out to be invalid.
 * @returns -1, or the offset of the first invalid byte.
 */
export function scanJson(bytes: Uint8Array, visitor: ChildVisitor): number {
  const size = bytes.length;
  let kinds = SHALLOW;
  let depth = 0;
  let childStart = 0;
  let at = skipSpace(bytes, 0);
  for (;;) {
    // A value begins at `at`.
    if (at >= size) return size;
    if (depth === 1) childStart = at;
    const first = bytes[at]!;
    if (first === 0x22) {
      at = endOfString(bytes, at + 1);
    } else if (first === 0x7b || first === 0x5b) {
      if (depth === kinds.length) kinds = twiceAsLong(kinds);
      kinds[depth++] = first === 0x7b ? OBJECT : ARRAY;
      at = skipSpace(bytes, at + 1);
      // `]` is `[` + 2, and `}` is `{` + 2.
      if (at < size && bytes[at] === first + 2) {
        depth--;
        at++;
      } else {
        if (first === 0x7b) at = endOfKey(bytes, at, depth === 1 ? visitor : null);
        if (at < 0) return ~at;
        continue;
      }
    } else {
      at = endOfLiteral(bytes, at, first);
    }
    if (at < 0) return ~at;
    // A value ended before `at`: close all containers that end here, up to the next value.
    for (;;) {
      if (depth === 1) visitor.value(childStart, at);
      at = skipSpace(bytes, at);
      if (depth === 0) return at === size ? -1 : at;
      if (at >= size) return size;
      const kind = kinds[depth - 1]!;
      const next = bytes[at]!;
      if (next === 0x2c) {
        at = skipSpace(bytes, at + 1);
        if (kind === OBJECT) at = endOfKey(bytes, at, depth === 1 ? visitor : null);
        if (at < 0) return ~at;
        break;
      }
      if (next !== (kind === OBJECT ? 0x7d : 0x5d)) return at;
      depth--;
      at++;
    }
  }
}

function twiceAsLong(kinds: Uint8Array): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(kinds.length * 2);
  longer.set(kinds);
  return longer;
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
    at++;
  }
  return at;
}

// Each of these functions returns the end of what it reads, or `~offset` (negative) of the first invalid byte.

/** Reads from the key's opening quote to the start of its value. */
function endOfKey(bytes: Uint8Array, from: number, visitor: ChildVisitor | null): number {
  if (from >= bytes.length || bytes[from] !== 0x22) return ~from;
  let at = endOfString(bytes, from + 1);
  if (at < 0) return at;
  if (visitor !== null) visitor.key(from + 1, at - 1);
  at = skipSpace(bytes, at);
  if (at >= bytes.length || bytes[at] !== 0x3a) return ~at;
  return skipSpace(bytes, at + 1);
}

/** Reads from after the opening quote to after the closing quote. */
function endOfString(bytes: Uint8Array, from: number): number {
  const size = bytes.length;
  let at = from;
  for (;;) {
    while (at < size && STOPS_STRING[bytes[at]!] === 0) at++;
    if (at >= size) return ~size;
    if (bytes[at] === 0x22) return at + 1;
    if (bytes[at] !== 0x5c) return ~at;
    if (++at >= size) return ~size;
    if (bytes[at] === 0x75) {
      for (let digit = 0; digit < 4; digit++) {
        if (++at >= size) return ~size;
        if (!isHexDigit(bytes[at]!)) return ~at;
      }
    } else if (ESCAPES[bytes[at]!] === 0) {
      return ~at;
    }
    at++;
  }
}

function endOfLiteral(bytes: Uint8Array, from: number, first: number): number {
  if (first === 0x74) return endOfWord(bytes, from, 'true');
  if (first === 0x66) return endOfWord(bytes, from, 'false');
  if (first === 0x6e) return endOfWord(bytes, from, 'null');
  return endOfNumber(bytes, from);
}

function endOfWord(bytes: Uint8Array, from: number, word: string): number {
  for (let index = 0; index < word.length; index++) {
    const at = from + index;
    if (at >= bytes.length || bytes[at] !== word.charCodeAt(index)) return ~at;
  }
  return from + word.length;
}

function endOfNumber(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from;
  if (at < bytes.length && bytes[at] === 0x30) at++;
  else at = endOfDigits(bytes, at);
  if (at > 0 && at < bytes.length && bytes[at] === 0x2e) at = endOfDigits(bytes, at + 1);
  if (at > 0 && at < bytes.length && (bytes[at]! | 0x20) === 0x65) {
    at++;
    if (at < bytes.length && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++;
    at = endOfDigits(bytes, at);
  }
  return at;
}

/** At least one digit. */
function endOfDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && isDigit(bytes[at]!)) at++;
  return at === from ? ~at : at;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isHexDigit(byte: number): boolean {
  return isDigit(byte) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}
