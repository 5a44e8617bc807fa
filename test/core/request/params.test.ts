import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseParams } from '../../../src/core/request/params.ts';

const parse = (json: string) => parseParams(Buffer.from(json));

describe('params', () => {
  it.each([
    ['{}', ''],
    ['null', ''],
    ['{"a":"b"}', 'a=b'],
    ['{"b":1,"a":true,"1":""}', 'b=1&a=true&1='],
    ['{"n":12345678901234567890,"f":1.0}', 'n=12345678901234567890&f=1.0'],
    ['{"a b":"c&d=e","ü":"+/?#%"}', 'a%20b=c%26d%3De&%C3%BC=%2B%2F%3F%23%25'],
    ['{"tag":["x",2,false],"z":1}', 'tag=x&tag=2&tag=false&z=1'],
    ['{"tag":[]}', ''],
    ['{"a":1,"a":2}', 'a=2'],
    ['{"a":"\\r\\nX: 1"}', 'a=%0D%0AX%3A%201'],
    ['{"a":"\\ud800"}', 'a=%EF%BF%BD'],
  ])('%s become the query %j', (json, query) => {
    expect(parse(json)).toBe(query);
  });

  it.each([
    'null',
    '{}',
    '[null]',
    '[[1]]',
    '[{}]',
  ])('are malformed with the value %s, and the reason names the param', (value) => {
    expect(parse(`{"ok":1,"bad":${value}}`)).toEqual({
      kind: 'malformed',
      detail: 'param "bad" is not a string, number or boolean, nor an array of those',
    });
  });

  it.each(['[]', '"a=b"', '1', 'true'])('are malformed if they are %s', (json) => {
    expect(parse(json)).toEqual({ kind: 'malformed', detail: 'params is not an object' });
  });

  it('are unchanged when URLSearchParams parses the query', () => {
    const text = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(fc.dictionary(text, text), (fields) => {
        const query = parse(JSON.stringify(fields)) as string;
        expect(new Map(new URLSearchParams(query))).toEqual(new Map(Object.entries(fields)));
      }),
    );
  });
});
