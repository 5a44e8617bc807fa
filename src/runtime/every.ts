import { type Clock, systemClock, type TimerOptions } from './clock.ts';

export type EveryOptions = TimerOptions & {
  /** @default the clock of the process */
  readonly clock?: Clock;
};

/**
 * Runs a task every `ms` milliseconds, for the first time after `ms`. A task never overlaps itself: if it returns a promise,
 * the task is not run again before the promise is settled. A task that rejects is a bug, and ends the process.
 *
 * @returns A function that stops the timer. A run that is under way goes on.
 */
export function every(
  ms: number,
  task: () => unknown,
  { clock = systemClock, ...options }: EveryOptions = {},
): () => void {
  let isUnderWay = false;
  const turn = () => {
    if (isUnderWay) return;
    const result = task();
    if (!(result instanceof Promise)) return;
    isUnderWay = true;
    void result.finally(() => {
      isUnderWay = false;
    });
  };
  return clock.repeat(ms, turn, options);
}
