import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonPaths } from '../../../src/core/json/paths.ts';

function valuesIn(json: string, ...paths: string[]) {
  const values = new JsonPaths(paths.map((path) => (path === '' ? [] : path.split('.')))).valuesIn(
    Buffer.from(json),
  );
  return values?.map((value) => (value === undefined ? undefined : Buffer.from(value).toString())) ?? null;
}

describe('a path into JSON', () => {
  it.each<[string, string, string | undefined]>([
    ['{"a": 1}', 'a', '1'],
    ['{"a":{"b":[10,{"c":"x"}]}}', 'a.b.1.c', '"x"'],
    ['[[1],[2]]', '1.0', '2'],
    ['{"a":12345678901234567890.10}', 'a', '12345678901234567890.10'],
    ['{"a":1,"a":{"b":2}}', 'a.b', '2'],
    ['{"a":{"b":2},"a":1}', 'a.b', undefined],
    ['{"\\u0061":{"\\u00fc":1}}', 'a.ü', '1'],
    ['{"ü":1}', 'ü', '1'],
    ['{"0":1}', '0', '1'],
    [' {"a" : {"b" : [ ]} } ', 'a', '{"b" : [ ]}'],
    [' {"a": 1}\n', '', '{"a": 1}'],
    ['{"a":[1,2]}', 'a.2', undefined],
    ['{"a":[1,2]}', 'a.00', undefined],
    ['{"a":"text"}', 'a.length', undefined],
    ['{}', '__proto__', undefined],
    ['7', 'a', undefined],
  ])('(in %s: %j) leads to %s', (json, path, value) => {
    expect(valuesIn(json, path)).toEqual([value]);
  });

  it('is found together with other paths in one pass, also if one path is the beginning of another', () => {
    expect(valuesIn('{"a":{"b":1},"c":[true]}', 'c.0', 'a', 'a.b', '', 'nothing', 'a.b')).toEqual([
      'true',
      '{"b":1}',
      '1',
      '{"a":{"b":1},"c":[true]}',
      undefined,
      '1',
    ]);
  });

  it.each(['', '{', '{"a":1', 'hello', '{"a":1}}'])('leads to no value in %j, which is not JSON', (json) => {
    expect(valuesIn(json, 'a')).toBeNull();
  });

  it('leads to the same value as in the result of JSON.parse', () => {
    const key = fc.constantFrom('a', 'b', 'c', '0', '1');
    const document = fc.jsonValue({ maxDepth: 4 }).chain((value) =>
      fc.array(key, { maxLength: 3 }).map((path) => {
        // The value is wrapped so that the path often exists.
        return {
          path,
          value: path.reduceRight((inner, name) => ({ [name]: inner, z: 1 }), value as unknown),
        };
      }),
    );
    fc.assert(
      fc.property(document, fc.array(key, { minLength: 1, maxLength: 4 }), ({ value }, path) => {
        let expected: unknown = value;
        for (const name of path) {
          const inner = expected as Record<string, unknown>;
          expected =
            typeof inner === 'object' && inner !== null && Object.hasOwn(inner, name)
              ? inner[name]
              : undefined;
        }
        const [found] = valuesIn(JSON.stringify(value), path.join('.'))!;
        expect(found).toBe(expected === undefined ? undefined : JSON.stringify(expected));
      }),
    );
  });
});
