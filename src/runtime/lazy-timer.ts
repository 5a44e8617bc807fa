import { type EveryOptions, every } from './every.ts';

/**
 * A periodic task that runs only while its owner has work for it, so that an idle owner costs no timer. Many pieces of work share
 * the timer: `start()` is cheap enough to be called for every message.
 */
export class LazyTimer {
  readonly #begin: () => () => void;
  #end: (() => void) | undefined;

  constructor(ms: number, task: () => unknown, options?: EveryOptions) {
    this.#begin = () => every(ms, task, options);
  }

  get isRunning(): boolean {
    return this.#end !== undefined;
  }

  /** Starts the timer, if it does not run: the task has its first turn after a full interval. */
  start(): void {
    this.#end ??= this.#begin();
  }

  /** Stops the timer until the next `start()`. */
  stop(): void {
    this.#end?.();
    this.#end = undefined;
  }
}
