import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** A part of the line, a regular expression, or a predicate. */
export type LinePattern = string | RegExp | ((line: string) => boolean);

/** Collects the lines of a program's two streams as they arrive. */
export function collectLines(stdoutStream: Readable, stderrStream: Readable) {
  const waiting = new Set<(line: string) => void>();
  const collect = (input: Readable) => {
    const lines: string[] = [];
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      for (const check of waiting) check(line);
    });
    return lines;
  };
  const [stdout, stderr] = [collect(stdoutStream), collect(stderrStream)];

  return {
    stdout,
    stderr,
    all: (): string => [...stdout, ...stderr].join('\n'),
    /** The first line that matches, already written or not. Stays pending if no such line comes. */
    next: (pattern: LinePattern): Promise<string> =>
      new Promise((resolve) => {
        const check = (line: string) => {
          if (!matches(line, pattern)) return;
          waiting.delete(check);
          resolve(line);
        };
        waiting.add(check);
        for (const line of [...stdout, ...stderr]) check(line);
      }),
  };
}

function matches(line: string, pattern: LinePattern): boolean {
  if (typeof pattern === 'string') return line.includes(pattern);
  return pattern instanceof RegExp ? pattern.test(line) : pattern(line);
}
