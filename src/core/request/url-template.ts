import { scalarText } from '../json/fields.ts';
import { type JsonPaths, whyNoText } from '../json/paths.ts';
import { type Malformed, malformed } from './malformed.ts';
import { encoded } from './params.ts';
import type { Target } from './target.ts';

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

/** Of path and query, once they are filled, in characters: a short message must not make a long one. */
const LONGEST_PATH = 65_536;

/**
 * What would make a URL lead to another path than the template's: nothing, `.` and `..`, however they are written; the dots also
 * between encoded slashes, which many a server decodes before it follows them.
 */
const LEADS_ELSEWHERE = /^$|(?:^|%2f|%5c)(?:\.|%2e){1,2}(?:$|%2f|%5c)/i;

/**
 * The URL with every placeholder filled: strings, and numbers and booleans as they are written, all URL-encoded. Malformed
 * where one is missing, null, an object or an array, and where it would lead to another path: a segment that is
 * empty, or `.` or `..` in it between slashes; or be too long. The detail names the placeholder, never its value.
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
  const path = joined(literals, values);
  const segments = open.size === 0 ? [] : path.split('?', 1)[0]!.split('/');
  for (const [index, placeholder] of open) {
    if (LEADS_ELSEWHERE.test(segments[index]!)) {
      return malformed(
        `${field}: ${placeholder} is empty, or holds . or .. between slashes, which would lead to another path`,
      );
    }
  }
  return { ...target, path, href: target.origin + path };
}

/** The literals with a value between each two of them. */
export function joined(literals: readonly string[], values: readonly string[]): string {
  return literals.reduce((path, literal, index) => path + values[index - 1]! + literal);
}
