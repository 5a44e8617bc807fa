import { expect, it } from 'vitest';
import { schemaProblem } from '../../../src/core/source/schema-bounds.ts';

const nested = (depth: number): object => (depth === 0 ? {} : { items: nested(depth - 1) });
const deepList = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);

it.each([
  [{}],
  [true],
  [false],
  [nested(32)],
  [{ pattern: 'x'.repeat(500) }],
  [{ uniqueItems: true, maxItems: 1000 }],
  [{ uniqueItems: false }],
  [{ $ref: '#/$defs/a' }],
  [{ $schema: 'https://json-schema.org/draft/2020-12/schema' }],
  // These are data or names, and no schemas.
  [{ const: { pattern: 'x'.repeat(501), uniqueItems: true, $async: true } }],
  [{ enum: [{ $ref: 'other' }] }],
  [{ properties: { pattern: {}, uniqueItems: {}, $ref: {}, items: {} } }],
  [{ examples: [deepList(100)] }],
])('%j is within the bounds', (schema) => {
  expect(schemaProblem(schema)).toBeNull();
});

it.each([
  [null, 'neither an object nor a boolean'],
  ['text', 'neither an object nor a boolean'],
  [[], 'neither an object nor a boolean'],
  [{ description: 'x'.repeat(65_536) }, 'more than 65536 bytes'],
  [{ description: 'ä'.repeat(33_000) }, 'more than 65536 bytes'],
  [nested(33), 'deeper than 32'],
  [{ not: nested(33) }, 'deeper than 32'],
  [{ allOf: [nested(33)] }, 'deeper than 32'],
  [{ properties: { a: nested(33) } }, 'deeper than 32'],
  [{ pattern: 'x'.repeat(501) }, 'more than 500 characters'],
  [{ patternProperties: { ['x'.repeat(501)]: {} } }, 'more than 500 characters'],
  [{ properties: { pattern: { pattern: 'x'.repeat(501) } } }, 'more than 500 characters'],
  [{ uniqueItems: true }, 'uniqueItems needs maxItems'],
  [{ uniqueItems: true, maxItems: 1001 }, 'uniqueItems needs maxItems'],
  [{ uniqueItems: true, maxItems: '5' }, 'uniqueItems needs maxItems'],
  [{ $defs: { a: { uniqueItems: true } } }, 'uniqueItems needs maxItems'],
  [{ $ref: 'https://example.com/schema' }, 'another document'],
  [{ $dynamicRef: 'other#a' }, 'another document'],
  [{ $schema: 'http://json-schema.org/draft-07/schema#' }, '$schema is not'],
  [{ $async: true }, '$async'],
  [{ items: { $async: true } }, '$async'],
])('%j is refused: %s', (schema, why) => {
  expect(schemaProblem(schema)).toContain(why);
});
