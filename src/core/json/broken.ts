/** In UTF-8. Some producers write it before JSON, which allows none. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/**
 * White space and control characters of any kind, characters without a width, byte order marks, and bytes that are not UTF-8: nothing
 * that a reader sees.
 */
const INVISIBLE = /^[\s\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\ufffd]*$/u;

/** The characters of the bytes 0x80 to 0x9f in windows-1252. The others of that encoding are those of Latin-1. */
const WINDOWS_1252 =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';
const CONTINUATION = `[\u0080-\u00bf${WINDOWS_1252}]`;
/** One character that was encoded twice: its bytes in UTF-8 were read as Latin-1 or windows-1252, and encoded again. */
const ENCODED_TWICE = new RegExp(
  `[\u00c2-\u00df]${CONTINUATION}|[\u00e0-\u00ef]${CONTINUATION}{2}|[\u00f0-\u00f4]${CONTINUATION}{3}`,
  'g',
);
const MOST_ENCODINGS = 4;

/** Byte order marks that were read in another encoding: UTF-16 in Latin-1; UTF-8 in code pages 437, 850, 1251 and of the Macintosh. */
const FOREIGN_MARKS =
  /\u00ff\u00fe|\u00fe\u00ff|\u2229\u2557\u2510|\u00b4\u2557\u2510|\u043f\u00bb\u0457|\u00d4\u00aa\u00f8/g;

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
  return bytes[at] === 0x7b && isInvisible(Buffer.from(bytes.subarray(0, at)).toString('utf8'));
}

function isInvisible(text: string): boolean {
  let decoded = text;
  for (let encodings = 0; encodings < MOST_ENCODINGS; encodings++) {
    if (INVISIBLE.test(decoded.replace(FOREIGN_MARKS, ''))) return true;
    const before = decoded;
    decoded = decoded.replace(ENCODED_TWICE, decodedOnce);
    if (decoded === before) return false;
  }
  return false;
}

function decodedOnce(sequence: string): string {
  const bytes = [...sequence].map((character) => {
    const index = WINDOWS_1252.indexOf(character);
    return index < 0 ? character.charCodeAt(0) : 0x80 + index;
  });
  return Buffer.from(bytes).toString('utf8');
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
