/** In UTF-8. Some producers write it before JSON, which allows none. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** White space and control characters of any kind, byte order marks, and bytes that are not UTF-8: nothing that a reader sees. */
const INVISIBLE = /^[\s\x00-\x20\x7f-\x9f\u200b\u2060\ufeff\ufffd]*$/;

const URL_FIELD = /(?<!\w)webhook_url(?!\w)/;

/** Escapes of JSON and of its relatives, also behind several backslashes, as in JSON that was written into a string. */
const ESCAPE =
  /\\+(?:u\{0*([\da-fA-F]{1,6})\}|u([\da-fA-F]{4})|U([\da-fA-F]{8})|x([\da-fA-F]{2})|([0-7]{1,3})|(.))/gs;

/** The bytes after the byte order mark, if there is one. A view. */
export function withoutByteOrderMark(bytes: Uint8Array): Uint8Array {
  // Nearly no message begins with the first byte of a mark.
  if (bytes[0] !== BYTE_ORDER_MARK[0]) return bytes;
  return BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte)
    ? bytes.subarray(BYTE_ORDER_MARK.length)
    : bytes;
}

/**
 * True if the first visible character is `{`: whoever wrote the bytes meant an object. The bytes may be UTF-16 or UTF-32, too, whose
 * NULs count as invisible.
 */
export function opensObject(bytes: Uint8Array): boolean {
  const at = bytes.findIndex((byte) => byte > 0x20 && byte < 0x7f);
  return bytes[at] === 0x7b && INVISIBLE.test(Buffer.from(bytes.subarray(0, at)).toString('utf8'));
}

/**
 * True if the bytes, which are not JSON, name `webhook_url` anywhere: as a key or inside a string, because nobody can tell one from
 * the other in broken JSON; with any quotes or none; with escapes; in UTF-8, UTF-16 or UTF-32. A longer name, such as
 * `my_webhook_url`, is another name.
 */
export function namesUrl(bytes: Uint8Array): boolean {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    .toString('latin1')
    .replaceAll('\0', '');
  return URL_FIELD.test(text) || (text.includes('\\') && URL_FIELD.test(text.replace(ESCAPE, unescaped)));
}

function unescaped(_written: string, ...groups: (string | undefined)[]): string {
  const [braced, short, long, hex, octal, character] = groups;
  if (character !== undefined) return /[bfnrtv]/.test(character) ? ' ' : character === '\n' ? '' : character;
  const code =
    octal === undefined ? Number.parseInt((braced ?? short ?? long ?? hex)!, 16) : Number.parseInt(octal, 8);
  // The name is ASCII.
  return code < 0x80 ? String.fromCharCode(code) : '\ufffd';
}
