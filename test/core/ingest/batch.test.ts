import { expect, test } from 'vitest';
import { brokenAt, splitBatch } from '../../../src/core/ingest/batch.ts';

const split = (text: string, isLines: boolean) => {
  const batch = splitBatch(Buffer.from(text), isLines);
  return 'items' in batch ? batch.items.map((item) => Buffer.from(item).toString()) : batch.line;
};

test.each([
  ['[]', []],
  ['  [ {"a": 1.10},2 , "x" ] \n', ['{"a": 1.10}', '2', '"x"']],
  ['\ufeff[1]', ['1']],
])('the array %j has the items %j, as they are written', (text, items) => {
  expect(split(text, false)).toEqual(items);
});

test.each([
  ['', []],
  ['\n\n', []],
  ['{"a":1}', ['{"a":1}']],
  ['{"a":1}\r\n\r\n  {"b": 2}\n', ['{"a":1}\r', '{"b": 2}']],
])('the lines %j have the items %j', (text, items) => {
  expect(split(text, true)).toEqual(items);
});

test.each([
  ['{"a":1}', false, 1],
  ['', false, 1],
  ['[\n{"a":1},\n{"b"}\n]', false, 3],
  ['[1] [2]', false, 1],
  ['1\n\n{"a":\n2', true, 3],
  ['[1,\n2]', true, 1],
])('%j (lines: %s) cannot be read from line %i on', (text, isLines, line) => {
  expect(split(text, isLines)).toBe(line);
});

test('where a body breaks is counted with its byte order mark', () => {
  expect([
    brokenAt(Buffer.from('{}')),
    brokenAt(Buffer.from('\ufeff{"a"}')),
    brokenAt(Buffer.from('')),
  ]).toEqual([null, 7, 0]);
});
