import { expect, test } from 'vitest';
import { linesOf } from '../../src/publishing/lines.ts';

async function lines(...chunks: string[]): Promise<[number, string][]> {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk, 'latin1');
  }
  const found: [number, string][] = [];
  for await (const { number, bytes } of linesOf(source())) found.push([number, bytes.toString('latin1')]);
  return found;
}

test('a line may be spread over chunks', async () => {
  expect(await lines('{"a', '":1}', '\n{"b":2}')).toEqual([
    [1, '{"a":1}'],
    [2, '{"b":2}'],
  ]);
});

test('empty lines are skipped, but count as lines', async () => {
  expect(await lines('1\n\n\r\n4\n')).toEqual([
    [1, '1'],
    [4, '4'],
  ]);
});

test('the bytes of a line are unchanged, without the line break', async () => {
  expect(await lines(' \xff\x00 \r\n')).toEqual([[1, ' \xff\x00 ']]);
});
