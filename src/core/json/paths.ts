import { withoutByteOrderMark } from './broken.ts';
import { asKey, scalarText } from './fields.ts';
import { scanJson } from './scan.ts';

type Node = {
  /** By key, or by index: `0` is the first element. A key is its UTF-8 bytes, one character per byte. */
  readonly children: Map<string, Node>;
  /** The numbers of the paths that end here. */
  readonly ends: number[];
};

/**
 * Paths into JSON, compiled once: one pass over a document finds the values of all paths, and decodes only keys that are written
 * with escapes.
 */
export class JsonPaths {
  readonly #root = newNode();
  readonly #count: number;

  /** @param paths The keys and indexes of each path; an empty path: the document itself. */
  constructor(paths: readonly (readonly string[])[]) {
    this.#count = paths.length;
    for (const [index, path] of paths.entries()) {
      let node = this.#root;
      for (const name of path) node = childOf(node, asKey(Buffer.from(name)));
      node.ends.push(index);
    }
  }

  /**
   * The value of each path, as it is written, in the order of the paths; undefined where there is no value. If a key occurs
   * twice, the last value counts. A byte order mark before the JSON is skipped.
   *
   * @returns null if the bytes are not JSON.
   */
  valuesIn(json: Uint8Array): readonly (Uint8Array | undefined)[] | null {
    const values: (Uint8Array | undefined)[] = new Array(this.#count).fill(undefined);
    return collect(withoutByteOrderMark(json), this.#root, values) ? values : null;
  }
}

/** Why a value is not text, for a person, as in "{user} is an object in the payload". */
export function whyNoText(json: Uint8Array | undefined): string {
  if (json === undefined) return 'is not';
  if (json[0] === 0x6e) return 'is null';
  return json[0] === 0x5b ? 'is an array' : 'is an object';
}

function newNode(): Node {
  return { children: new Map(), ends: [] };
}

function childOf({ children }: Node, name: string): Node {
  const known = children.get(name);
  if (known !== undefined) return known;
  const child = newNode();
  children.set(name, child);
  return child;
}

/** @returns True if the bytes are JSON. */
function collect(json: Uint8Array, { children, ends }: Node, values: (Uint8Array | undefined)[]): boolean {
  const found = new Map<Node, Uint8Array>();
  let isArray = true;
  let index = 0;
  let current: Node | undefined;
  const offset = scanJson(json, {
    key(start, end) {
      isArray = false;
      current = children.get(keyOf(json, start, end));
    },
    value(start, end) {
      if (isArray) current = children.get(String(index++));
      if (current !== undefined) found.set(current, json.subarray(start, end));
    },
  });
  if (offset >= 0) return false;
  if (ends.length > 0) {
    const whole = trimmed(json);
    for (const end of ends) values[end] = whole;
  }
  for (const [child, value] of found) {
    if (child.children.size > 0) collect(value, child, values);
    else for (const end of child.ends) values[end] = value;
  }
  return true;
}

function trimmed(json: Uint8Array): Uint8Array {
  const isVisible = (byte: number) => byte > 0x20;
  return json.subarray(json.findIndex(isVisible), json.findLastIndex(isVisible) + 1);
}

function keyOf(json: Uint8Array, start: number, end: number): string {
  const raw = json.subarray(start, end);
  if (!raw.includes(0x5c)) return asKey(raw);
  return asKey(Buffer.from(scalarText(json.subarray(start - 1, end + 1))!));
}
