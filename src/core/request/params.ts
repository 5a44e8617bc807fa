import { elementsOf, isNull, membersOf, scalarText } from '../json/fields.ts';
import { quoted } from './headers.ts';
import { LONGEST_FIELD, type Malformed, malformed } from './malformed.ts';

/** Checked: for each name, its encoded pairs as they stand in a query (`a=1&a=2`), without a question mark. */
export type Params = { readonly kind: 'params'; readonly pairs: ReadonlyMap<string, string> };

/**
 * The `params` of an envelope, a row or a NATS header. Values are strings, or numbers and booleans as they are written. An array of
 * such values repeats its name.
 *
 * @param json Valid JSON; null counts as no params.
 */
export function paramsOf(json: Uint8Array): Params | Malformed {
  const pairs = new Map<string, string>();
  if (isNull(json)) return { kind: 'params', pairs };
  if (json.length > LONGEST_FIELD) return malformed(`params is longer than ${LONGEST_FIELD} bytes`);
  const members = membersOf(json);
  if (members === null) return malformed('params is not an object');
  for (const [name, raw] of members) {
    const values: string[] = [];
    for (const element of elementsOf(raw) ?? [raw]) {
      const value = scalarText(element);
      if (value === null) {
        return malformed(`param ${quoted(name)} is not a string, number or boolean, nor an array of those`);
      }
      values.push(`${encoded(name)}=${encoded(value)}`);
    }
    if (values.length > 0) pairs.set(name, values.join('&'));
  }
  return { kind: 'params', pairs };
}

/** The params as a query, encoded, without a question mark. @param json Valid JSON; null counts as no params. */
export function parseParams(json: Uint8Array): string | Malformed {
  const params = paramsOf(json);
  return params.kind === 'malformed' ? params : queryOf(params);
}

export function queryOf({ pairs }: Params): string {
  return [...pairs.values()].join('&');
}

/** Both as a query. If a name is in both, only the values of `more` stand there. */
export function mergedQuery(params: Params, more: Params): string {
  return queryOf({ kind: 'params', pairs: new Map([...without(params, more), ...more.pairs]) });
}

function without({ pairs }: Params, more: Params): [string, string][] {
  return [...pairs].filter(([name]) => !more.pairs.has(name));
}

/** The text URL-encoded. Half of a surrogate pair cannot be encoded, and becomes U+FFFD. */
export function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}
