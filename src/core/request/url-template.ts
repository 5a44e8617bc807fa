import { scalarText } from '../json/fields.ts';
import { type JsonPaths, whyNoText } from '../json/paths.ts';
import { type Malformed, malformed } from './malformed.ts';
import { encoded } from './params.ts';
import type { Target } from './target.ts';

/** A URL with placeholders in its path or query, checked. No value can change its scheme, host or port. */
export type UrlTemplate = {
  readonly kind: 'template';
  /** The part that all filled URLs have in common. Its path holds the placeholders as they are written. */
  readonly target: Target;
  /** How a `detail` names the URL. */
  readonly field: string;
  /** The parts around the values: one more than there are values. */
  readonly literals: readonly string[];
  /** As they are written: `{user.id}`. */
  readonly placeholders: readonly string[];
  readonly paths: JsonPaths;
  /** The path segments that hold placeholders: the segment's index, from 0, and its first placeholder. */
  readonly open: ReadonlyMap<number, string>;
};

/** The longest path and query once they are filled, in characters: a template that repeats a value must not make them huge. */
const LONGEST_PATH = 65_536;

/**
 * A segment that would lead to another path than the template's: an empty one, `.` or `..`, however they are written. Also `.` or
 * `..` between encoded slashes, because many servers decode the slashes before they resolve the path.
 */
const LEADS_ELSEWHERE = /^$|(?:^|%2f|%5c)(?:\.|%2e){1,2}(?:$|%2f|%5c)/i;

/**
 * The URL with every placeholder filled. Values are strings, or numbers and booleans as they are written, all URL-encoded.
 * Malformed: a value that is missing, null, an object or an array; a value that would lead to another path (a segment that is
 * empty, or holds `.` or `..` between slashes); a URL that is too long. The detail names the placeholder, never its value.
 *
 * @param source How a `detail` names `json`.
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

/** Joins the literals with one value between each two of them. */
export function joined(literals: readonly string[], values: readonly string[]): string {
  return literals.reduce((path, literal, index) => path + values[index - 1]! + literal);
}
