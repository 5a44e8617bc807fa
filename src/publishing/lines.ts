export type Line = {
  /** From 1, as in editors. */
  readonly number: number;
  /** The unchanged bytes of the line, without its line break. */
  readonly bytes: Buffer;
};

const LF = 0x0a;
const CR = 0x0d;

/** The lines of a file that may be larger than memory, as bytes. Empty lines are left out, but counted. */
export async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 0;
  let begun: Buffer[] = [];
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      begun.push(chunk.subarray(from, end));
      from = end + 1;
      const bytes = withoutCr(begun);
      begun = [];
      number++;
      if (bytes.length > 0) yield { number, bytes };
    }
    if (from < chunk.length) begun.push(chunk.subarray(from));
  }
  const last = withoutCr(begun);
  if (last.length > 0) yield { number: number + 1, bytes: last };
}

function withoutCr(parts: Buffer[]): Buffer {
  const bytes = Buffer.concat(parts);
  return bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes;
}
