import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StatusLineReader } from '../../src/http/status-line.ts';

/** The bytes that undici gets if an answer arrives in these pieces, and the status that the reader found. */
function read(pieces: readonly (string | Uint8Array)[]) {
  const reader = new StatusLineReader();
  reader.expectAnswer();
  const passed = pieces.flatMap((piece) => reader.pass(Buffer.from(piece)) ?? []);
  return { passed: Buffer.concat(passed).toString('latin1'), status: reader.status };
}

/** All ways to split a text into two pieces, and the split into single bytes. */
function piecesOf(text: string): string[][] {
  const inTwo = Array.from({ length: text.length + 1 }, (_, at) => [text.slice(0, at), text.slice(at)]);
  return [...inTwo, [...text]];
}

const FINAL = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

describe('a StatusLineReader', () => {
  it.each([
    ['a final answer', FINAL, FINAL, 200],
    ['a final answer after a 100', `HTTP/1.1 100 Continue\r\n\r\n${FINAL}`, FINAL, 200],
    ['a final answer after a 100 without a reason', `HTTP/1.1 100\r\n\r\n${FINAL}`, FINAL, 200],
    [
      'a final answer after a 102 with headers',
      `HTTP/1.1 102 Processing\r\nx: y\r\nz: \r\n\r\n${FINAL}`,
      FINAL,
      200,
    ],
    [
      'a final answer after several interim answers',
      `HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 Hints\r\nlink: </x>\r\n\r\nHTTP/1.0 199 \r\n\r\n${FINAL}`,
      FINAL,
      200,
    ],
    ['an answer with bare line feeds', `HTTP/1.1 100 Continue\n\n${FINAL}`, FINAL, 200],
    ['an answer after empty lines', `\r\n\r\n${FINAL}`, FINAL, 200],
    ['a 503', 'HTTP/1.0 503 No\r\n\r\n', 'HTTP/1.0 503 No\r\n\r\n', 503],
    [
      'a 101 (undici refuses it)',
      'HTTP/1.1 101 Switching\r\n\r\nxyz',
      'HTTP/1.1 101 Switching\r\n\r\nxyz',
      0,
    ],
    ['another protocol', 'SSH-2.0-x\r\n', 'SSH-2.0-x\r\n', 0],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n', 'HTTP/1.1 2000 OK\r\n', 0],
    ['another version of HTTP', 'HTTP/2.0 200 OK\r\n', 'HTTP/2.0 200 OK\r\n', 0],
  ])('gives the same result wherever the bytes are split: %s', (_what, bytes, passed, status) => {
    for (const pieces of piecesOf(bytes)) expect(read(pieces), String(pieces)).toEqual({ passed, status });
  });

  it('holds back only bytes that may become a status line', () => {
    expect(read(['SS']).passed).toBe('SS');
    expect(read(['HTTP/1.1 20']).passed).toBe('');
    expect(read(['HTTP/1.1 2x']).passed).toBe('HTTP/1.1 2x');
  });

  it('has no status before the status is complete', () => {
    expect(read(['HTTP/1.1 200']).status).toBe(0);
    expect(read(['HTTP/1.1 200 ']).status).toBe(200);
  });

  it('looks for one status per request', () => {
    const reader = new StatusLineReader();
    const pass = (text: string) => reader.pass(Buffer.from(text))?.toString();
    expect(pass('HTTP/1.1 100 Early\r\n\r\n')).toBe('HTTP/1.1 100 Early\r\n\r\n');
    reader.expectAnswer();
    expect(pass(FINAL)).toBe(FINAL);
    expect(pass('HTTP/1.1 100 In the body\r\n\r\n')).toBe('HTTP/1.1 100 In the body\r\n\r\n');
    reader.expectAnswer();
    expect(reader).toMatchObject({ status: 0, isAnswered: false });
    expect(pass(`HTTP/1.1 100 Continue\r\n\r\n${FINAL}`)).toBe(FINAL);
    expect(reader).toMatchObject({ status: 200, isAnswered: true });
  });

  it('never drops or changes a byte after the status', () => {
    const piece = fc.uint8Array({ maxLength: 20 });
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const all = Buffer.concat([Buffer.from('HTTP/1.1 404 \r\n'), ...pieces]).toString('latin1');
        expect(read(['HTTP/1.', '1 404 \r\n', ...pieces])).toEqual({ passed: all, status: 404 });
      }),
    );
  });
});
