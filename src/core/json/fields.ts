import { namesUrl, opensObject, withoutByteOrderMark } from './broken.ts';
import { type ChildVisitor, scanJson } from './scan.ts';

/** The fields of an envelope, and those of a bare payload that may name its event type; all other fields are ignored. */
export type FieldName =
  | 'webhook_url'
  | 'data'
  | 'headers'
  | 'method'
  | 'params'
  | 'event'
  | 'event_type'
  | 'type';

/** The exact bytes of each field's value, as views of the message. If a key occurs twice, the last value counts. */
export type Fields = { readonly [name in FieldName]?: Uint8Array };

export type FieldScan =
  | { readonly kind: 'object'; readonly fields: Fields }
  /** Valid JSON, but not an object. */
  | { readonly kind: 'other' }
  | BrokenJson;

/** Bytes that are not JSON from `offset` on. */
export type BrokenJson = {
  readonly kind: 'broken';
  readonly offset: number;
  /** They begin with `{`: they were meant as an object. */
  readonly isObject: boolean;
  /** They begin with `{`, and name `webhook_url` anywhere: they were meant as an envelope. */
  readonly urlSeen: boolean;
};

const BY_LENGTH: ReadonlyMap<number, readonly FieldName[]> = new Map([
  [4, ['data', 'type']],
  [5, ['event']],
  [6, ['method', 'params']],
  [7, ['headers']],
  [10, ['event_type']],
  [11, ['webhook_url']],
]);

/** The longest field name with every character written as a \u escape: a longer key is not a field of an envelope. */
const LONGEST_KEY = 'webhook_url'.length * '\\u0000'.length;

/**
 * Validates a message as JSON and finds the envelope's fields, without decoding or copying anything. Skips a byte order mark. Never
 * throws, whatever the bytes are.
 */
export function topLevelFields(bytes: Uint8Array): FieldScan {
  const json = withoutByteOrderMark(bytes);
  const finder = new FieldFinder(json);
  const offset = scanJson(json, finder);
  if (offset >= 0) return brokenAt(offset + bytes.length - json.length, bytes);
  return firstVisible(json) === 0x7b ? { kind: 'object', fields: finder.fields } : { kind: 'other' };
}

function brokenAt(offset: number, bytes: Uint8Array): BrokenJson {
  const isObject = opensObject(bytes);
  return { kind: 'broken', offset, isObject, urlSeen: isObject && namesUrl(bytes) };
}

class FieldFinder implements ChildVisitor {
  readonly fields: { [name in FieldName]?: Uint8Array } = {};
  private current: FieldName | null = null;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  key(start: number, end: number): void {
    this.current = fieldName(this.bytes, start, end);
  }

  value(start: number, end: number): void {
    if (this.current !== null) this.fields[this.current] = this.bytes.subarray(start, end);
  }
}

function fieldName(bytes: Uint8Array, start: number, end: number): FieldName | null {
  const length = end - start;
  for (const name of BY_LENGTH.get(length) ?? []) {
    if (spells(bytes, start, name)) return name;
  }
  if (length > LONGEST_KEY) return null;
  for (let at = start; at < end; at++) {
    if (bytes[at] === 0x5c) return unescapedName(bytes.subarray(start - 1, end + 1));
  }
  return null;
}

function unescapedName(quoted: Uint8Array): FieldName | null {
  const text = stringOf(quoted);
  return BY_LENGTH.get(text.length)?.find((name) => name === text) ?? null;
}

function spells(bytes: Uint8Array, start: number, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (bytes[start + index] !== name.charCodeAt(index)) return false;
  }
  return true;
}

function firstVisible(bytes: Uint8Array): number | undefined {
  return bytes.find((byte) => byte > 0x20);
}

/**
 * The members of a JSON object by their decoded keys, in the order in which each key first occurs; null for anything else. Unlike
 * `JSON.parse`, this leaves the values as they are written, so that big numbers keep their digits.
 */
export function membersOf(json: Uint8Array): Map<string, Uint8Array> | null {
  if (json[0] !== 0x7b) return null;
  const members = new Map<string, Uint8Array>();
  let name = '';
  const offset = scanJson(json, {
    key: (start, end) => {
      name = stringOf(json.subarray(start - 1, end + 1));
    },
    value: (start, end) => {
      members.set(name, json.subarray(start, end));
    },
  });
  return offset < 0 ? members : null;
}

/** The elements of a JSON array as they are written; null for anything else. */
export function elementsOf(json: Uint8Array): Uint8Array[] | null {
  if (json[0] !== 0x5b) return null;
  const elements: Uint8Array[] = [];
  const offset = scanJson(json, {
    key: () => {},
    value: (start, end) => {
      elements.push(json.subarray(start, end));
    },
  });
  return offset < 0 ? elements : null;
}

/**
 * The text of a JSON value: a string decoded, a number or boolean as it is written; null for null, an object or an array. Bytes
 * that are not UTF-8 become U+FFFD.
 */
export function scalarText(json: Uint8Array): string | null {
  const first = json[0];
  if (first === 0x22) return stringOf(json);
  if (first === 0x7b || first === 0x5b || first === 0x6e) return null;
  return asBuffer(json).toString('latin1');
}

/** True if the value is `null`: many serializers write a field that is not set like this. */
export function isNull(json: Uint8Array): boolean {
  return json[0] === 0x6e;
}

/** The bytes as a string of the same length, for use as a key of a map. */
export function asKey(json: Uint8Array): string {
  return asBuffer(json).toString('latin1');
}

/** @param quoted A valid JSON string, with its quotes. */
function stringOf(quoted: Uint8Array): string {
  return JSON.parse(asBuffer(quoted).toString('utf8'));
}

function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
