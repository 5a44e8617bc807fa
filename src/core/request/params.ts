import { elementsOf, isNull, membersOf, scalarText } from '../json/fields.ts';
import { quoted } from './headers.ts';
import { LONGEST_FIELD, type Malformed, malformed } from './malformed.ts';

/**
 * The `params` of an envelope as a query, encoded, without a question mark. Values are strings, or numbers and booleans as they
 * are written. An array of such values repeats its key.
 *
 * @param json Valid JSON; null counts as no params.
 */
export function parseParams(json: Uint8Array): string | Malformed {
  if (isNull(json)) return '';
  if (json.length > LONGEST_FIELD) return malformed(`params is longer than ${LONGEST_FIELD} bytes`);
  const members = membersOf(json);
  if (members === null) return malformed('params is not an object');
  const pairs: string[] = [];
  for (const [name, raw] of members) {
    for (const element of elementsOf(raw) ?? [raw]) {
      const value = scalarText(element);
      if (value === null) {
        return malformed(`param ${quoted(name)} is not a string, number or boolean, nor an array of those`);
      }
      pairs.push(`${encoded(name)}=${encoded(value)}`);
    }
  }
  return pairs.join('&');
}

/** The text URL-encoded. Half of a surrogate pair cannot be encoded, and becomes U+FFFD. */
export function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
