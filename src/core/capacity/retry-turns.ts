/** Retries leave this many times their own duration to first attempts that wait. */
const REST = 3;

/**
 * Turns of retries at an endpoint that takes one attempt at a time, where half of its window would be no attempt: retries have a quarter
 * of the time while first attempts wait. Pure. Times in milliseconds, on the caller's clock.
 */
export class RetryTurns {
  #restUntil = Number.NEGATIVE_INFINITY;

  /** True if a retry may start, although first attempts wait. */
  isDue(now: number): boolean {
    return now >= this.#restUntil;
  }

  /** Called when a retry has ended. */
  onEnded(durationMs: number, now: number): void {
    this.#restUntil = now + REST * durationMs;
  }
}
