import type { Target } from './delivery.ts';
import {
  type EndpointKeyOf,
  endpointKey,
  type Malformed,
  malformed,
  parseTarget,
  type TargetResult,
} from './endpoint.ts';
import { scalarText } from './json-fields.ts';
import { JsonPaths, whyNoText } from './json-paths.ts';
import { encoded } from './params.ts';

/** A URL with placeholders in its path or query, checked. Its scheme, host and port are its own: no value changes them. */
export type UrlTemplate = {
  readonly kind: 'template';
  /** What all its URLs have in common; in its path the placeholders stand as they are written. */
  readonly target: Target;
  /** How the URL is called in a `detail`. */
  readonly field: string;
  /** What stands around the values: one more than they are. */
  readonly literals: readonly string[];
  /** As they are written: `{user.id}`. */
  readonly placeholders: readonly string[];
  readonly paths: JsonPaths;
  /** The segments of the path that hold placeholders, from 0, each with the first one of its. */
  readonly open: ReadonlyMap<number, string>;
};

/**
 * A letter or `_` first, then letters, digits, `_` and `-`; dots before further keys and indexes. Other braces are none, nor
 * is a path of more than 32 keys: each costs a pass over the payload.
 */
const PLACEHOLDER = /\{([A-Za-z_][\w-]*(?:\.[\w-]+){0,31})\}/g;

/** Of path and query, once they are filled, in characters: a short message must not make a long one. */
const LONGEST_PATH = 65_536;

/** The value would become a part of it. */
const HALF_AN_ESCAPE = new RegExp(`%[0-9a-f]?(${PLACEHOLDER.source})`, 'i');

/** Up to where the path begins, as lenient as URLs are: any number of slashes, of either kind. */
const BEFORE_PATH = /^(?:[^:/\\?#]*:)?[/\\]*[^/\\?#]*/;

/** What would make a URL lead to another path than the template's: nothing, `.` and `..`, however they are written. */
const LEADS_ELSEWHERE = /^(?:\.|%2e){0,2}$/i;

/**
 * A URL of a message or a row: a target, or where it has placeholders, `{name}` or `{a.b.0}`, a template. Malformed where
 * one stands in scheme, host, port or userinfo: a payload must never choose the host.
 *
 * @param field How the URL is called in a `detail`.
 * @param keyOf What counts as one endpoint: with `url` the template does, not each URL that is made of it.
 */
export function parseUrl(
  text: string,
  field: string,
  keyOf: EndpointKeyOf = 'origin',
): TargetResult | UrlTemplate {
  if (!text.includes('{')) return parseTarget(text, field, keyOf);
  // URLs are read without them.
  const bare = text.replace(/[\t\n\r]/g, '');
  const before = BEFORE_PATH.exec(bare)![0].match(PLACEHOLDER);
  if (before !== null) {
    return malformed(
      `${field} has the placeholder ${before[0]} before its path: scheme, host and port cannot come from the payload`,
    );
  }
  const half = HALF_AN_ESCAPE.exec(bare);
  if (half !== null) return malformed(`${field} has half an escape (%) before the placeholder ${half[1]}`);

  const placeholders: string[] = [];
  const mark = unusedMark(bare);
  const marked = bare.replace(PLACEHOLDER, (written) => `${mark}${placeholders.push(written) - 1}z`);
  const found = parseTarget(marked, field, keyOf);
  // What stood in the fragment, or before a `..`, is gone.
  if (found.kind !== 'target' || !found.target.path.includes(mark)) return found;
  return templateOf(found.target, field, placeholders, new RegExp(`${mark}(\\d+)z`), keyOf);
}

/** What stands for placeholders while the URL is parsed, which changes nothing of it: small letters and digits. */
function unusedMark(text: string): string {
  const used = new Set(text.toLowerCase().match(/z\d+i/g));
  let number = 0;
  while (used.has(`z${number}i`)) number++;
  return `z${number}i`;
}

function templateOf(
  marked: Target,
  field: string,
  written: readonly string[],
  mark: RegExp,
  keyOf: EndpointKeyOf,
): UrlTemplate {
  // What stands around the marks, and between those the numbers in them.
  const parts = marked.path.split(mark);
  const literals = parts.filter((_, index) => index % 2 === 0);
  const placeholders = parts.filter((_, index) => index % 2 === 1).map((number) => written[Number(number)]!);
  const path = fill(literals, placeholders);
  const pathname = path.split('?', 1)[0]!;
  const key = keyOf === 'url' ? endpointKey(marked.origin + pathname, marked.hostname) : marked.endpointKey;
  const open = new Map<number, string>();
  for (const [index, segment] of pathname.split('/').entries()) {
    const [first] = segment.match(PLACEHOLDER) ?? [];
    if (first !== undefined) open.set(index, first);
  }
  return {
    kind: 'template',
    target: { ...marked, path, href: marked.origin + path, endpointKey: key },
    field,
    literals,
    placeholders,
    paths: new JsonPaths(placeholders.map((each) => each.slice(1, -1).split('.'))),
    open,
  };
}

/**
 * The URL with every placeholder filled: strings, and numbers and booleans as they are written, all URL-encoded. Malformed
 * where one is missing, null, an object or an array, and where it would lead to another path: a segment that is
 * empty, `.` or `..`; or be too long. The detail names the placeholder, never its value.
 *
 * @param source How `json` is called in a `detail`.
 */
export function fillUrl(template: UrlTemplate, json: Uint8Array, source: string): Target | Malformed {
  const { target, field, literals, placeholders, paths, open } = template;
  const found = paths.valuesIn(json);
  if (found === null) {
    return malformed(`${field}: ${placeholders[0]} cannot be filled, since ${source} is not JSON`);
  }
  const values: string[] = [];
  let length = target.path.length;
  for (const [index, raw] of found.entries()) {
    const text = raw === undefined ? null : scalarText(raw);
    if (text === null) return malformed(`${field}: ${placeholders[index]} ${whyNoText(raw)} in ${source}`);
    values.push(encoded(text));
    length += values.at(-1)!.length;
    if (length > LONGEST_PATH) {
      return malformed(
        `${field} is longer than ${LONGEST_PATH} characters with ${placeholders[index]} filled`,
      );
    }
  }
  const path = fill(literals, values);
  const segments = open.size === 0 ? [] : path.split('?', 1)[0]!.split('/');
  for (const [index, placeholder] of open) {
    if (LEADS_ELSEWHERE.test(segments[index]!)) {
      return malformed(
        `${field}: ${placeholder} is empty or nothing but dots, which would lead to another path`,
      );
    }
  }
  return { ...target, path, href: target.origin + path };
}

function fill(literals: readonly string[], values: readonly string[]): string {
  return literals.reduce((path, literal, index) => path + values[index - 1]! + literal);
}
