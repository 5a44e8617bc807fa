import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** A part of the line, a regular expression, or a predicate. */
export type LinePattern = string | RegExp | ((line: string) => boolean);

/** Collects the lines of a program's two streams while they come. */
export function collectLines(stdoutStream: Readable, stderrStream: Readable) {
  const waiting = new Set<(line: string) => void>();
  const collect = (input: Readable) => {
    const lines: string[] = [];
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      for (const look of waiting) look(line);
    });
    return lines;
  };
  const [stdout, stderr] = [collect(stdoutStream), collect(stderrStream)];

  return {
    stdout,
    stderr,
    all: (): string => [...stdout, ...stderr].join('\n'),
    /** The first line that fits, already there or yet to come; pending for ever if none comes. */
    next: (pattern: LinePattern): Promise<string> =>
      new Promise((resolve) => {
        const look = (line: string) => {
          if (!fits(line, pattern)) return;
          waiting.delete(look);
          resolve(line);
        };
        waiting.add(look);
        for (const line of [...stdout, ...stderr]) look(line);
      }),
  };
}

function fits(line: string, pattern: LinePattern): boolean {
  if (typeof pattern === 'string') return line.includes(pattern);
  return pattern instanceof RegExp ? pattern.test(line) : pattern(line);
}
