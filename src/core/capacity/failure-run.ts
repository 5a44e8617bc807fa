/** An endpoint that never succeeded is taken for down after this many failures in a row. */
const UNTESTED_RUN = 3;
/**
 * An endpoint that succeeded before is taken for down after PER_SUCCESS / (its success share) failures in a row, within these
 * bounds. So an endpoint that fails nine messages in ten is taken for down by chance once in 45,000 first attempts, and an
 * endpoint that fails everything is found out at once.
 */
const PER_SUCCESS = 8;
const RUN = { min: 10, max: 100 };
/** The success share counts about this many attempts. Below it, chance decides; above it, the share follows a change late. */
const MEMORY = 400;

/**
 * What the attempts say of their endpoint: how many failed in a row, and which share succeeded before. In a row means in the order
 * of their start, because a timeout ends long after the answers that came meanwhile. The order is counted, not timed, so that a pause of
 * the process changes nothing.
 */
export class FailureRun {
  #length = 0;
  /** Of the attempts before the run. */
  #successes = 0;
  #failures = 0;
  #hasSucceeded = false;
  /** Number of the success that started last. */
  #lastSuccess = Number.NEGATIVE_INFINITY;

  /** @param mayHaveSucceeded Takes as many failures in a row for an outage as if a success had been seen. */
  constructor(mayHaveSucceeded = false) {
    if (mayHaveSucceeded) this.#successes = 1;
  }

  /** True if a success was seen. */
  get hasSucceeded(): boolean {
    return this.#hasSucceeded;
  }

  /** True if a success was seen, and no failure after it. */
  get isWell(): boolean {
    return this.#hasSucceeded && this.#length === 0;
  }

  /** Goes on with attempts that are numbered from 1 again. */
  renumber(): void {
    this.#lastSuccess = Number.NEGATIVE_INFINITY;
  }

  /** @param number Of the attempts in the order of their start. */
  onSuccess(number: number): void {
    this.#failures += this.#length;
    this.#length = 0;
    this.#successes++;
    this.#hasSucceeded = true;
    this.#lastSuccess = Math.max(this.#lastSuccess, number);
    if (this.#successes + this.#failures < MEMORY) return;
    this.#successes /= 2;
    this.#failures /= 2;
  }

  onFailure(number: number): void {
    if (number >= this.#lastSuccess) this.#length++;
    else this.#failures++;
  }

  /** @param hung First attempts that the endpoint has been silent about while it answered others: likely failures. */
  isOutage(hung: number): boolean {
    if (this.#successes === 0) return this.#length >= UNTESTED_RUN;
    const attemptsPerSuccess = (this.#successes + this.#failures + hung) / this.#successes;
    return this.#length >= Math.min(Math.max(PER_SUCCESS * attemptsPerSuccess, RUN.min), RUN.max);
  }
}
