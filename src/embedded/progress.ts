import { every } from '../runtime/every.ts';

/** Prints one line for the user. */
export type Say = (line: string) => void;

/** How often the line of a slow step is repeated, in milliseconds: on a terminal, and in a log, which keeps every line. */
const AGAIN_MS = { terminal: 5000, log: 30_000 };

/**
 * Runs `work`. If the work takes longer than one second, prints `line`. While the work continues, prints `line` again with the
 * seconds that have passed.
 */
export async function announceIfSlow<T>(
  line: string,
  say: Say | undefined,
  work: () => Promise<T>,
  isTerminal = process.stdout.isTTY === true,
): Promise<T> {
  const everyMs = isTerminal ? AGAIN_MS.terminal : AGAIN_MS.log;
  let times = 0;
  const first = setTimeout(() => say?.(line), 1000);
  const stop = every(everyMs, () => say?.(`${line} ${(++times * everyMs) / 1000} s`));
  try {
    return await work();
  } finally {
    clearTimeout(first);
    stop();
  }
}
