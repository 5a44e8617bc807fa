import { scalarText } from '../json/fields.ts';
import type { RequestHeaders } from './signature.ts';

/** Where a request has a value: fields of its JSON body, or headers. */
export type Locator =
  | { readonly from: 'body'; readonly paths: readonly (readonly string[])[] }
  | { readonly from: 'header'; readonly names: readonly string[] };

const MOST_PARTS = 5;
const LONGEST = 300;

/**
 * Parses a declaration such as `body:event_id`, `body:type+event_id`, `body:data.id` or `header:X-Request-Id`.
 *
 * @returns A sentence that says what is wrong, if the text is no declaration.
 */
export function parseLocator(text: string): Locator | string {
  const [, from, rest = ''] = /^(body|header):(.+)$/.exec(text) ?? [];
  const parts = rest.split('+');
  const isPart = (part: string) =>
    from === 'header' ? /^[A-Za-z0-9!#$%&'*.^_`|~-]+$/.test(part) : /^[^\s.]+(\.[^\s.]+)*$/.test(part);
  if (from === undefined || text.length > LONGEST || parts.length > MOST_PARTS || !parts.every(isPart)) {
    return `${JSON.stringify(text.slice(0, LONGEST))} is neither body:<field> nor header:<name>, for example body:event_id, body:type+event_id, body:data.id or header:X-Request-Id`;
  }
  if (from === 'header') return { from, names: parts.map((name) => name.toLowerCase()) };
  return { from: 'body', paths: parts.map((path) => path.split('.')) };
}

/**
 * The value that a declaration names; null if one of its parts is missing, empty, or no text, number or boolean. Numbers keep their
 * digits. Several parts become a JSON array, so that different parts never give the same value.
 *
 * @param fields The values of the paths as they stand in the body; null: the body is not JSON.
 */
export function valueAt(
  locator: Locator,
  headers: RequestHeaders,
  fields: readonly (Uint8Array | undefined)[] | null,
): string | null {
  const parts =
    locator.from === 'header'
      ? locator.names.map((name) => headers[name])
      : (fields ?? []).map((json) => (json === undefined ? null : scalarText(json)));
  const texts = parts.filter((part) => typeof part === 'string' && part !== '');
  if (texts.length < (locator.from === 'header' ? locator.names : locator.paths).length) return null;
  return texts.length === 1 ? (texts[0] as string) : JSON.stringify(texts);
}
