import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementsOf, membersOf, topLevelFields } from '../../../src/core/json/fields.ts';
import { FIELD_NAMES, jsonText, messageText, objectText, space } from './json-text.ts';

/** The value that JSON.parse reads, or null. The decoder must not remove a second byte order mark. */
function parsed(bytes: Uint8Array): { value: unknown } | null {
  try {
    return {
      value: JSON.parse(
        Buffer.from(bytes)
          .toString('utf8')
          .replace(/^\ufeff/, ''),
      ),
    };
  } catch {
    return null;
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The result expected of `topLevelFields`, computed with JSON.parse: the values of the fields, `other` or `broken`. */
function expectedOf(bytes: Uint8Array): unknown {
  const reference = parsed(bytes);
  if (reference === null) return 'broken';
  const { value } = reference;
  if (!isPlainObject(value)) return 'other';
  return new Map(
    FIELD_NAMES.filter((name) => Object.hasOwn(value, name)).map((name) => [name, { value: value[name] }]),
  );
}

function foundIn(bytes: Uint8Array): unknown {
  const scan = topLevelFields(bytes);
  if (scan.kind !== 'object') return scan.kind;
  const { fields } = scan;
  return new Map(
    FIELD_NAMES.filter((name) => fields[name] !== undefined).map((name) => [name, parsed(fields[name]!)]),
  );
}

const bytesOf = (text: string) => Buffer.from(text, 'utf8');
const textOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('utf8');

describe('topLevelFields', () => {
  it('agrees with JSON.parse on well-formed JSON', () => {
    fc.assert(
      fc.property(messageText, (text) => {
        expect(parsed(bytesOf(text))).not.toBeNull();
        expect(foundIn(bytesOf(text))).toEqual(expectedOf(bytesOf(text)));
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees with JSON.parse on JSON with a few bytes changed, dropped or doubled', () => {
    const interesting = fc.oneof(
      fc.constantFrom(...Buffer.from('{}[]",:\\0-.eE+tfn u\t\n\u0000\u001f')),
      fc.integer({ min: 0, max: 255 }),
    );
    const mutation = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom('set', 'drop', 'insert', 'cut'),
      byte: interesting,
    });
    fc.assert(
      fc.property(messageText, fc.array(mutation, { minLength: 1, maxLength: 3 }), (text, mutations) => {
        const bytes = [...bytesOf(text)];
        for (const { at, kind, byte } of mutations) {
          const index = at % (bytes.length + 1);
          if (kind === 'cut') bytes.length = index;
          else bytes.splice(index, kind === 'insert' ? 0 : 1, ...(kind === 'drop' ? [] : [byte]));
        }
        expect(foundIn(Uint8Array.from(bytes))).toEqual(expectedOf(Uint8Array.from(bytes)));
      }),
      { numRuns: 5000 },
    );
  });

  it('agrees with JSON.parse on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(foundIn(bytes)).toEqual(expectedOf(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('returns a value byte for byte, without the white space around it', () => {
    fc.assert(
      fc.property(jsonText, space, space, (value, before, after) => {
        const scan = topLevelFields(bytesOf(`{"x":1,"data":${before}${value}${after},"method":"PUT"}`));
        expect(scan.kind === 'object' && textOf(scan.fields.data)).toBe(value);
      }),
    );
  });
});

describe('membersOf and elementsOf', () => {
  it('return the same members of an object as JSON.parse', () => {
    fc.assert(
      fc.property(objectText, (text) => {
        const members = membersOf(bytesOf(text))!;
        const reference = JSON.parse(text) as Record<string, unknown>;
        expect(new Set(members.keys())).toEqual(new Set(Object.keys(reference)));
        for (const [name, raw] of members) expect(parsed(raw)).toEqual({ value: reference[name] });
      }),
    );
  });

  it('return the same elements of an array as JSON.parse', () => {
    fc.assert(
      fc.property(fc.array(jsonText), (items) => {
        expect(elementsOf(bytesOf(`[ ${items.join(' , ')} ]`))?.map(textOf)).toEqual(items);
      }),
    );
  });
});
