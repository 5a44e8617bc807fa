import fc from 'fast-check';
import type { FieldName } from '../../../src/core/json/fields.ts';

// JSON text as people and machines write it: white space, escapes in strings and keys, duplicate keys, unusual numbers.

export const FIELD_NAMES: readonly FieldName[] = ['webhook_url', 'data', 'headers', 'method', 'params'];

export const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 });
const character = fc.oneof(
  fc.constantFrom('a', 'é', '漢', '😀', ' ', '}', ']', ',', ':', '\u007f'),
  fc.constantFrom(
    '\\"',
    '\\\\',
    '\\/',
    '\\b',
    '\\f',
    '\\n',
    '\\r',
    '\\t',
    '\\u0041',
    '\\uD83D',
    '\\udE00',
    '\\u0000',
  ),
);
const stringText = fc.string({ unit: character, maxLength: 8 }).map((text) => `"${text}"`);
const numberText = fc.oneof(
  fc.constantFrom(
    '0',
    '-0',
    '1.0',
    '12345678901234567890',
    '1e5',
    '-1.5E+300',
    '1E-9',
    '1e999',
    '0.1',
    '-0.0e0',
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
);
const keyText = fc.oneof(
  fc.constantFrom(...FIELD_NAMES).map((name) => `"${name}"`),
  fc.constantFrom(
    '"d\\u0061ta"',
    '"webhook\\u005furl"',
    '"\\u0070\\u0061rams"',
    '"__proto__"',
    '"Data"',
    '"metho\\n"',
  ),
  stringText,
);
function spaced(...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> {
  return fc.tuple(...parts.flatMap((part) => [space, part]), space).map((texts) => texts.join(''));
}
export const { value: jsonText, object: objectText } = fc.letrec<{
  value: string;
  object: string;
  member: string;
  array: string;
}>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(stringText, numberText, fc.constantFrom('true', 'false', 'null')),
    tie('object'),
    tie('array'),
  ),
  member: spaced(keyText, fc.constant(':'), tie('value')),
  object: fc
    .array(tie('member'), { maxLength: 6 })
    .chain((members) => space.map((s) => `{${members.join(',') || s}}`)),
  array: fc
    .array(spaced(tie('value')), { maxLength: 4 })
    .chain((items) => space.map((s) => `[${items.join(',') || s}]`)),
}));
/** A whole message: mostly objects. */
export const messageText = spaced(
  fc.oneof({ weight: 3, arbitrary: objectText }, { weight: 1, arbitrary: jsonText }),
);
