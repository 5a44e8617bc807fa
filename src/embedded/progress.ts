import { type Clock, systemClock } from '../runtime/clock.ts';
import { every } from '../runtime/every.ts';

/** Prints one line for the user. */
export type Say = (line: string) => void;

/** How often the line of a slow step is repeated, in milliseconds: on a terminal, and in a log, which keeps every line. */
const AGAIN_MS = { terminal: 5000, log: 30_000 };

export type AnnounceOptions = {
  /** @default whether standard output is a terminal */
  readonly isTerminal?: boolean;
  /** @default the clock of the process */
  readonly clock?: Clock;
};

/**
 * Runs `work`. If the work takes longer than one second, prints `line`. While the work continues, prints `line` again with the
 * seconds that have passed.
 */
export async function announceIfSlow<T>(
  line: string,
  say: Say | undefined,
  work: () => Promise<T>,
  { isTerminal = process.stdout.isTTY === true, clock = systemClock }: AnnounceOptions = {},
): Promise<T> {
  const everyMs = isTerminal ? AGAIN_MS.terminal : AGAIN_MS.log;
  let times = 0;
  const stops = [
    clock.after(1000, () => say?.(line)),
    every(everyMs, () => say?.(`${line} ${(++times * everyMs) / 1000} s`), { clock }),
  ];
  try {
    return await work();
  } finally {
    for (const stop of stops) stop();
  }
}
