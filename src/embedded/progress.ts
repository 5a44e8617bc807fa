/** Says one line to the user. */
export type Say = (line: string) => void;

/** How often a step that goes on is said again, in milliseconds: on a terminal, and where a log keeps each line. */
const AGAIN_MS = { terminal: 5000, log: 30_000 };

/**
 * Does `work`, and says `line` once that takes longer than a second. While the work goes on, says `line` again with the
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
  const timers = [
    setTimeout(() => say?.(line), 1000),
    setInterval(() => say?.(`${line} ${(++times * everyMs) / 1000} s`), everyMs),
  ];
  try {
    return await work();
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}
