/** The most that a schema may be, so that no schema makes the API slow: for each request, or when it is compiled. */
const MOST_BYTES = 65_536;
const DEEPEST = 32;
const LONGEST_PATTERN = 500;
/** Comparing items with each other takes time in proportion to the square of their number. */
const MOST_UNIQUE_ITEMS = 1000;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

/** Keywords with one schema, with a list of schemas, and with schemas by names. */
const ONE = new Set(
  'additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems unevaluatedProperties'.split(
    ' ',
  ),
);
const LIST = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const NAMED = new Set(['$defs', 'definitions', 'dependentSchemas', 'patternProperties', 'properties']);

/** A sentence that says why a schema is not accepted; null: it is within the bounds. Says nothing of other mistakes in it. */
export function schemaProblem(schema: unknown): string | null {
  if (typeof schema !== 'boolean' && !isObject(schema))
    return 'the schema is neither an object nor a boolean';
  let text: string;
  try {
    text = JSON.stringify(schema);
  } catch {
    return `the schema is nested deeper than ${DEEPEST} levels`;
  }
  if (Buffer.byteLength(text) > MOST_BYTES) return `the schema has more than ${MOST_BYTES} bytes`;
  return problemOf(schema, 0);
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function problemOf(schema: unknown, depth: number): string | null {
  if (depth > DEEPEST) return `the schema is nested deeper than ${DEEPEST} levels`;
  if (!isObject(schema)) return null;
  const own = ownProblem(schema);
  if (own !== null) return own;
  for (const [keyword, value] of Object.entries(schema)) {
    for (const each of subschemasOf(keyword, value)) {
      const problem = problemOf(each, depth + 1);
      if (problem !== null) return problem;
    }
  }
  return null;
}

function subschemasOf(keyword: string, value: unknown): readonly unknown[] {
  if (ONE.has(keyword)) return [value];
  if (LIST.has(keyword) && Array.isArray(value)) return value;
  return NAMED.has(keyword) && isObject(value) ? Object.values(value) : [];
}

function ownProblem(schema: Json): string | null {
  // The validator of such a schema returns a promise, which would count as valid.
  if (schema.$async !== undefined) return '$async is not allowed';
  const { $schema, $ref, $dynamicRef, uniqueItems, maxItems, pattern, patternProperties } = schema;
  if ($schema !== undefined && String($schema).replace(/#$/, '') !== DIALECT) {
    return `$schema is not ${DIALECT}`;
  }
  for (const ref of [$ref, $dynamicRef]) {
    if (ref !== undefined && !String(ref).startsWith('#'))
      return '$ref names another document; only # is allowed';
  }
  const patterns = [pattern, ...(isObject(patternProperties) ? Object.keys(patternProperties) : [])];
  if (patterns.some((each) => typeof each === 'string' && each.length > LONGEST_PATTERN)) {
    return `a pattern has more than ${LONGEST_PATTERN} characters`;
  }
  const isBounded = typeof maxItems === 'number' && maxItems <= MOST_UNIQUE_ITEMS;
  return uniqueItems === true && !isBounded
    ? `uniqueItems needs maxItems of at most ${MOST_UNIQUE_ITEMS}`
    : null;
}
