import { setImmediate as settle } from 'node:timers/promises';
import type { Clock } from '../../src/runtime/clock.ts';

type Task = { at: number; readonly everyMs: number | null; readonly run: () => void };

/** A clock that stands still until a test lets time pass. Starts at 0. */
export class HandClock implements Clock {
  #now = 0;
  readonly #tasks = new Set<Task>();

  /** How many tasks are scheduled: those that run once, and those that repeat. */
  get scheduled(): number {
    return this.#tasks.size;
  }

  readonly now = (): number => this.#now;

  after(ms: number, run: () => void): () => void {
    return this.#schedule({ at: this.#now + ms, everyMs: null, run });
  }

  repeat(ms: number, run: () => void): () => void {
    return this.#schedule({ at: this.#now + ms, everyMs: ms, run });
  }

  /** Lets `ms` milliseconds pass, and runs each task at its time. No promise settles meanwhile. */
  advance(ms: number): void {
    const until = this.#now + ms;
    while (this.#runNext(until));
    this.#now = until;
  }

  /** Lets `ms` milliseconds pass, and runs each task at its time. Promises settle before each task and at the end. */
  async advanceAsync(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settle();
    while (this.#runNext(until)) await settle();
    this.#now = until;
  }

  #schedule(task: Task): () => void {
    this.#tasks.add(task);
    return () => void this.#tasks.delete(task);
  }

  /** @returns false if no task is due until then. */
  #runNext(until: number): boolean {
    let next: Task | undefined;
    // Of two tasks at the same time, the one that was scheduled first runs first.
    for (const task of this.#tasks) if (task.at <= until && task.at < (next?.at ?? Infinity)) next = task;
    if (next === undefined) return false;
    this.#now = next.at;
    if (next.everyMs === null) this.#tasks.delete(next);
    else next.at += next.everyMs;
    next.run();
    return true;
  }
}
