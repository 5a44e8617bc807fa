import { type Clock, systemClock } from './clock.ts';

export type ProblemLogOptions = {
  /** How long after a problem was logged it is logged again, where it lasts, in milliseconds. @default never */
  readonly againAfterMs?: number;
  /** How long after a problem was logged it is not logged again, where it was over meanwhile, in milliseconds. @default 0 */
  readonly quietMs?: number;
  /** Logs that it is over. @default nothing is logged */
  readonly sayOver?: () => void;
  /** @default the clock of the process */
  readonly clock?: Clock;
};

/** A problem that may be met thousands of times a second: logged once, again later, and when it is over. */
export class ProblemLog {
  readonly #againAfterMs: number;
  readonly #quietMs: number;
  readonly #sayOver: () => void;
  readonly #clock: Clock;
  /** On the clock of the options, by key. */
  readonly #saidAt = new Map<string, number>();
  #isSaid = false;

  constructor({
    againAfterMs = Number.POSITIVE_INFINITY,
    quietMs = 0,
    sayOver = () => {},
    clock = systemClock,
  }: ProblemLogOptions = {}) {
    this.#againAfterMs = againAfterMs;
    this.#quietMs = quietMs;
    this.#sayOver = sayOver;
    this.#clock = clock;
  }

  /** @param say Logs it. @param key Of several problems, the one that this is: each is logged for itself. */
  report(say: () => void, key = ''): void {
    const now = this.#clock.now();
    const silentMs = this.#isSaid ? this.#againAfterMs : this.#quietMs;
    if (now - (this.#saidAt.get(key) ?? Number.NEGATIVE_INFINITY) < silentMs) return;
    // Some keys name a single message: there is no end of them.
    for (const [said, at] of this.#saidAt) if (now - at >= silentMs) this.#saidAt.delete(said);
    this.#saidAt.set(key, now);
    this.#isSaid = true;
    say();
  }

  /** There is no problem any more. */
  clear(): void {
    if (!this.#isSaid) return;
    this.#isSaid = false;
    this.#sayOver();
  }
}
