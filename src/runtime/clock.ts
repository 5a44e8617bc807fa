export type TimerOptions = {
  /** Whether the process may end while the timer runs. @default false */
  readonly unref?: boolean;
};

/** Where a part reads the time and schedules tasks. A test passes a clock that it drives by hand. */
export interface Clock {
  /** Milliseconds. Never goes back. Only differences mean something. */
  now(): number;
  /** Runs `task` once, after `ms` milliseconds. @returns what cancels it. */
  after(ms: number, task: () => void): () => void;
  /** Runs `task` every `ms` milliseconds, for the first time after `ms`. @returns what stops it. */
  repeat(ms: number, task: () => void, options?: TimerOptions): () => void;
}

/** The clock of the process. `now()` is `performance.now()`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, task) {
    const timer = setTimeout(task, ms);
    return () => clearTimeout(timer);
  },
  repeat(ms, task, { unref = false } = {}) {
    const timer = setInterval(task, ms);
    if (unref) timer.unref();
    return () => clearInterval(timer);
  },
};
