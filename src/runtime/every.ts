export type EveryOptions = {
  /** Whether the process may end while the timer runs. @default false */
  readonly unref?: boolean;
};

/**
 * Runs a task every `ms` milliseconds, for the first time after `ms`. A task never overlaps itself: where it returns a promise, its
 * turns are left out until that is settled. A task that rejects is a bug, and ends the process.
 *
 * @returns what stops it. A turn that is under way goes on.
 */
export function every(ms: number, task: () => unknown, { unref = false }: EveryOptions = {}): () => void {
  let isUnderWay = false;
  const timer = setInterval(() => {
    if (isUnderWay) return;
    const result = task();
    if (!(result instanceof Promise)) return;
    isUnderWay = true;
    void result.finally(() => {
      isUnderWay = false;
    });
  }, ms);
  if (unref) timer.unref();
  return () => clearInterval(timer);
}
