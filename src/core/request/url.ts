import { JsonPaths } from '../json/paths.ts';
import { LONGEST_FIELD, malformed } from './malformed.ts';
import type { Target } from './target.ts';
import { type EndpointKeyOf, keyedBy, parseTarget, type TargetResult } from './target.ts';
import { joined, type UrlTemplate } from './url-template.ts';

/**
 * A placeholder: a letter or `_` first, then letters, digits, `_` and `-`; a dot before each further key or index. Other braces
 * are not placeholders. Neither is a path of more than 32 keys, because each key costs one pass over the payload.
 */
const PLACEHOLDER = /\{([A-Za-z_][\w-]*(?:\.[\w-]+){0,31})\}/g;

/** `{{name}}`, as in a body_template, and `{name` without its closing brace: most likely a mistake, so both are refused. */
const MISWRITTEN = /\{\{[\w.-]+\}\}|\{[A-Za-z_][\w.-]*(?=[/?&#]|$)/;

/** A `%` escape that is cut off before a placeholder: the value would become a part of the escape. */
const HALF_AN_ESCAPE = new RegExp(`%[0-9a-f]?(${PLACEHOLDER.source})`, 'i');

/** The part before the path, parsed as leniently as URLs are: any number of slashes, of either kind. */
const BEFORE_PATH = /^(?:[^:/\\?#]*:)?[/\\]*[^/\\?#]*/;

/**
 * Parses a URL of a message or a row. A URL with placeholders, `{name}` or `{a.b.0}`, becomes a template, any other URL a target.
 * Malformed if a placeholder is in scheme, host, port or userinfo: a payload must never choose the host.
 *
 * @param field How a `detail` names the URL.
 * @param keyOf What counts as one endpoint. With `url` and `auto`, a template is one endpoint, not each URL that it is filled to.
 */
export function parseUrl(
  text: string,
  field: string,
  keyOf: EndpointKeyOf = 'origin',
): TargetResult | UrlTemplate {
  if (!text.includes('{')) {
    // A template is measured when it is filled.
    if (text.length > LONGEST_FIELD) return malformed(`${field} is longer than ${LONGEST_FIELD} characters`);
    return parseTarget(text, field, keyOf);
  }
  // URL parsers ignore tabs and line breaks.
  const bare = text.replace(/[\t\n\r]/g, '');
  const before = BEFORE_PATH.exec(bare)![0].match(PLACEHOLDER);
  if (before !== null) {
    return malformed(
      `${field} has the placeholder ${before[0]} before its path: scheme, host and port cannot come from the payload`,
    );
  }
  const miswritten = MISWRITTEN.exec(bare);
  if (miswritten !== null) {
    return malformed(`${field} has ${miswritten[0]}: a placeholder in it is written {name} or {a.b.0}`);
  }
  const half = HALF_AN_ESCAPE.exec(bare);
  if (half !== null) return malformed(`${field} has half an escape (%) before the placeholder ${half[1]}`);

  const placeholders: string[] = [];
  const mark = unusedMark(bare);
  const marked = bare.replace(PLACEHOLDER, (written) => `${mark}${placeholders.push(written) - 1}z`);
  const found = parseTarget(marked, field, keyOf);
  // A placeholder in the fragment, or before a `..`, is gone now.
  if (found.kind !== 'target' || !found.target.path.includes(mark)) return found;
  return templateOf(found.target, field, placeholders, new RegExp(`${mark}(\\d+)z`), keyOf);
}

/** A text that stands for placeholders while the URL is parsed. Lower-case letters and digits, which parsing does not change. */
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
  // Alternately: a part outside the marks, and the number inside one.
  const parts = marked.path.split(mark);
  const literals = parts.filter((_, index) => index % 2 === 0);
  const placeholders = parts.filter((_, index) => index % 2 === 1).map((number) => written[Number(number)]!);
  const path = joined(literals, placeholders);
  const pathname = path.split('?', 1)[0]!;
  const open = new Map<number, string>();
  for (const [index, segment] of pathname.split('/').entries()) {
    const [first] = segment.match(PLACEHOLDER) ?? [];
    if (first !== undefined) open.set(index, first);
  }
  return {
    kind: 'template',
    target: keyedBy({ ...marked, path, href: marked.origin + path }, keyOf, marked.origin + pathname),
    field,
    literals,
    placeholders,
    paths: new JsonPaths(placeholders.map((each) => each.slice(1, -1).split('.'))),
    open,
  };
}
