import { describe, expect, it } from 'vitest';
import { elementsOf, membersOf, scalarText, topLevelFields } from '../../../src/core/json/fields.ts';

const bytesOf = (text: string) => Buffer.from(text, 'utf8');
const textOf = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('utf8');

describe('topLevelFields', () => {
  it('returns views of the message, not copies', () => {
    const bytes = bytesOf('{"data":[1]}');
    const scan = topLevelFields(bytes);
    expect(scan.kind === 'object' && scan.fields.data?.buffer).toBe(bytes.buffer);
  });

  it('takes the last value of a key that occurs twice, also if one is written with escapes', () => {
    const scan = topLevelFields(bytesOf('{"data":1,"d\\u0061ta":2,"\\u0064\\u0061\\u0074\\u0061":3}'));
    expect(scan.kind === 'object' && textOf(scan.fields.data)).toBe('3');
  });

  it('ignores the fields of a nested object', () => {
    expect(topLevelFields(bytesOf('{"nested":{"webhook_url":"x","data":1}}'))).toEqual({
      kind: 'object',
      fields: {},
    });
  });

  it.each(['{}', ' {}\n', '\t{ }'])('reads %j as an object without fields', (text) => {
    expect(topLevelFields(bytesOf(text))).toEqual({ kind: 'object', fields: {} });
  });

  it.each([
    '[]',
    '[{"webhook_url":"x"}]',
    '"webhook_url"',
    '12',
    'null',
    ' true ',
  ])('reads %j as another kind of value', (text) => {
    expect(topLevelFields(bytesOf(text))).toEqual({ kind: 'other' });
  });

  it('accepts bytes that are not UTF-8 inside strings', () => {
    const bytes = Buffer.concat([bytesOf('{"data":"'), Buffer.from([0xff, 0xc0, 0x80, 0xed]), bytesOf('"}')]);
    const scan = topLevelFields(bytes);
    expect(scan.kind === 'object' && [...(scan.fields.data ?? [])]).toEqual([
      0x22, 0xff, 0xc0, 0x80, 0xed, 0x22,
    ]);
  });

  it.each([
    ['', 0],
    ['   ', 3],
    ['\u{feff}\u{feff}{}', 3],
    ['\u{feff}{"a":}', 8],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['{"a" 1}', 5],
    ['{a:1}', 1],
    ["{'a':1}", 1],
    ['01', 1],
    ['1.', 2],
    ['.5', 0],
    ['+1', 0],
    ['1e', 2],
    ['-', 1],
    ['NaN', 0],
    ['nul', 3],
    ['truE', 3],
    ['"\t"', 1],
    ['"\\x"', 2],
    ['"\\u12g4"', 5],
    ['"abc', 4],
    ['{} {}', 3],
    ['[1}', 2],
    ['{"a":1]', 6],
    ['1\u00a0', 1],
    ['[1 2]', 3],
    ['{"a":1 // no\n}', 7],
  ])('reports that %j breaks at byte %i', (text, offset) => {
    expect(topLevelFields(bytesOf(text))).toMatchObject({ kind: 'broken', offset, urlSeen: false });
  });

  it.each([
    ['{"a":1}', '{"a":1}'],
    [' {"a":1}', ' {"a":1}'],
    ['{"data":[1]}', '{"data":[1]}'],
    ['[1]', '[1]'],
  ])('skips a byte order mark before %j', (text, json) => {
    expect(topLevelFields(bytesOf(`\u{feff}${text}`))).toEqual(topLevelFields(bytesOf(json)));
  });

  it.each([
    ['arrays', '[', ']'],
    ['objects', '{"a":', '}'],
    ['arrays of objects', '[{"data":', '}]'],
  ])('reads %s that are nested a million levels deep', (_, open, close) => {
    const depth = 1_000_000;
    const value = `${open.repeat(depth)}1${close.repeat(depth)}`;
    const scan = topLevelFields(bytesOf(`{"data":${value},"method":"GET"}`));
    expect(scan.kind === 'object' && scan.fields.data?.length).toBe(value.length);
  });

  it('tells square and curly brackets apart at any depth', () => {
    const kinds = Array.from({ length: 10_000 }, (_, level) => (level * 7) % 3 === 0);
    const open = kinds.map((object) => (object ? '{"a":' : '[')).join('');
    const close = kinds.map((object) => (object ? '}' : ']')).reverse();
    expect(topLevelFields(bytesOf(`${open}1${close.join('')}`)).kind).not.toBe('broken');
    close[5_000] = close[5_000] === '}' ? ']' : '}';
    expect(topLevelFields(bytesOf(`${open}1${close.join('')}`)).kind).toBe('broken');
  });
});

describe('membersOf and elementsOf', () => {
  it('return null for a value of another kind', () => {
    expect(membersOf(bytesOf('[1]'))).toBeNull();
    expect(elementsOf(bytesOf('{"a":1}'))).toBeNull();
  });
});

describe('scalarText', () => {
  it.each([
    ['"a\\u0062\\n"', 'ab\n'],
    ['12345678901234567890', '12345678901234567890'],
    ['-1.50E+3', '-1.50E+3'],
    ['true', 'true'],
    ['false', 'false'],
    ['null', null],
    ['{}', null],
    ['[]', null],
  ])('reads %s as %j', (json, text) => {
    expect(scalarText(bytesOf(json))).toBe(text);
  });
});
