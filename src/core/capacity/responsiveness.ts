import { ResponseTimes } from './response-times.ts';

/**
 * Whether an endpoint answers. `responsive`: it does. `untested`: it has not answered yet. `unresponsive`: it stopped answering, and
 * still holds the slots that it got while it answered. Times in milliseconds, on the caller's clock.
 */
export class Responsiveness {
  readonly times: ResponseTimes;
  #isResponsive = false;
  /** The endpoint answered before, and became unresponsive with more attempts in flight than its initial window. */
  #isStuck = false;
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** Since when the endpoint is silent: its last answer, or the start of a first attempt if none was in the window. */
  #silentSince = Number.NEGATIVE_INFINITY;

  /** @param unresponsiveAfterMs PARK_AFTER_MS. */
  constructor(unresponsiveAfterMs: number) {
    this.times = new ResponseTimes(unresponsiveAfterMs);
  }

  get state(): 'responsive' | 'untested' | 'unresponsive' {
    if (this.#isResponsive) return 'responsive';
    return this.#isStuck ? 'unresponsive' : 'untested';
  }

  /** When the endpoint answered last; negative infinity: it never did. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** True if the endpoint has been silent for longer than the answer timeout. */
  isSilent(now: number): boolean {
    return now - this.#silentSince > this.times.answerTimeoutMs();
  }

  /** Called when a first attempt starts while none is in the window. */
  onFirstStarted(now: number): void {
    this.#silentSince = now;
  }

  onAnswered(now: number): void {
    this.#answeredAt = now;
    this.#silentSince = now;
  }

  onSuccess(durationMs: number): void {
    this.times.add(durationMs);
    this.#isResponsive = true;
    this.#isStuck = false;
  }

  /** @param isStuck More attempts are in flight than the initial window allows. */
  onUnresponsive(isStuck: boolean): void {
    this.#isResponsive = false;
    this.#isStuck = isStuck;
  }

  /** No attempt is in the window any more. */
  onWindowEmpty(): void {
    this.#isStuck = false;
  }

  /** What was measured is too old, or the endpoint fails. */
  reset(): void {
    this.#isResponsive = false;
  }

  shiftClock(ms: number): void {
    this.#answeredAt += ms;
    this.#silentSince += ms;
  }
}
