import type { Origin, OriginAttempt } from './origin.ts';

/**
 * An attempt in flight, as the endpoint limiter counts it. A permit extends it, so that a message costs one object.
 * `AttemptsInFlight` writes the fields.
 */
export class AttemptInFlight {
  /** The message was tried before. */
  readonly isRetry: boolean;
  startedAt = 0;
  /** Attempts of the endpoint in the order of their start. */
  number = 0;
  /** The attempt tests an endpoint whose circuit breaker is half-open. */
  isProbe = false;
  /** The origin of the endpoint when the attempt began, and the attempt as the origin counts it; null: it is not known. */
  origin: Origin | null = null;
  atOrigin: OriginAttempt | null = null;
  /** Where the attempt counts. `none`: it is over, or has not begun. */
  place: 'none' | 'window' | 'hung' | 'extra' = 'none';
  /** Neighbours in the list of attempts in the window, in the order of their start. */
  older: AttemptInFlight | null = null;
  newer: AttemptInFlight | null = null;

  constructor(isRetry: boolean) {
    this.isRetry = isRetry;
  }

  /** Called when the endpoint has been silent about the attempt for long, while it answers others. */
  onHung(): void {}
}

/**
 * The attempts in flight at one endpoint. An attempt counts in the concurrency window. If the endpoint is silent about it for
 * long while it answers others, the attempt leaves the window and counts as hung. An extra attempt never counts in the window.
 */
export class AttemptsInFlight {
  #oldest: AttemptInFlight | null = null;
  #newest: AttemptInFlight | null = null;
  #inWindow = 0;
  #retriesInWindow = 0;
  #hung = 0;
  #hungRetries = 0;
  #extra = 0;
  #probes = 0;
  #started = 0;

  get total(): number {
    return this.#inWindow + this.#hung + this.#extra;
  }

  get inWindow(): number {
    return this.#inWindow;
  }

  get retriesInWindow(): number {
    return this.#retriesInWindow;
  }

  get firstsInWindow(): number {
    return this.#inWindow - this.#retriesInWindow;
  }

  /** Attempts that left the window. */
  get hung(): number {
    return this.#hung;
  }

  get hungRetries(): number {
    return this.#hungRetries;
  }

  get hungFirsts(): number {
    return this.#hung - this.#hungRetries;
  }

  get extra(): number {
    return this.#extra;
  }

  get probes(): number {
    return this.#probes;
  }

  start(attempt: AttemptInFlight, now: number, isProbe: boolean, isExtra: boolean): void {
    attempt.startedAt = now;
    attempt.number = ++this.#started;
    attempt.isProbe = isProbe;
    if (isProbe) this.#probes++;
    if (isExtra) {
      attempt.place = 'extra';
      this.#extra++;
      return;
    }
    attempt.place = 'window';
    attempt.older = this.#newest;
    if (this.#newest === null) this.#oldest = attempt;
    else this.#newest.newer = attempt;
    this.#newest = attempt;
    this.#inWindow++;
    if (attempt.isRetry) this.#retriesInWindow++;
  }

  end(attempt: AttemptInFlight): void {
    if (attempt.isProbe) this.#probes--;
    if (attempt.place === 'extra') this.#extra--;
    else if (attempt.place === 'window') this.#leaveWindow(attempt);
    else if (attempt.place === 'hung') {
      this.#hung--;
      if (attempt.isRetry) this.#hungRetries--;
    }
    attempt.place = 'none';
  }

  /**
   * Takes attempts that began before `before` out of the window.
   *
   * @param answeredAt When the endpoint answered last. A first attempt that began later stays: the endpoint may be silent about
   *   all of its attempts.
   */
  moveHung(before: number, answeredAt: number): void {
    let attempt = this.#oldest;
    while (attempt !== null && attempt.startedAt < before) {
      const next = attempt.newer;
      // The silence about a retry says nothing of the endpoint.
      if (!attempt.isProbe && (attempt.isRetry || attempt.startedAt <= answeredAt)) {
        this.#leaveWindow(attempt);
        attempt.place = 'hung';
        this.#hung++;
        if (attempt.isRetry) this.#hungRetries++;
        attempt.onHung();
      }
      attempt = next;
    }
  }

  /** Moves a hung attempt to the attempts of another endpoint. */
  moveHungTo(other: AttemptsInFlight, attempt: AttemptInFlight): void {
    this.end(attempt);
    attempt.place = 'hung';
    // The attempts of the other endpoint have numbers of their own.
    attempt.number = 0;
    other.#hung++;
    if (attempt.isRetry) other.#hungRetries++;
  }

  /** Leaves out a pause of this process, in milliseconds. */
  shiftClock(ms: number): void {
    for (let attempt = this.#oldest; attempt !== null; attempt = attempt.newer) attempt.startedAt += ms;
  }

  #leaveWindow(attempt: AttemptInFlight): void {
    const { older, newer } = attempt;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    attempt.older = null;
    attempt.newer = null;
    this.#inWindow--;
    if (attempt.isRetry) this.#retriesInWindow--;
  }
}
