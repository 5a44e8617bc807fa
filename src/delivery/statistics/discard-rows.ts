import type { AttemptRecord } from '../../core/records/statistics.ts';

/**
 * The most rows in a minute, for each kind and together. Below them, each discarded message has a row. Above them, only the counter
 * counts it. Too low: a discarded message cannot be found by its id. Too high: a subject that all rows filter fills the table.
 */
const MAX_PER_KIND = 1000;
const MAX_TOGETHER = 10_000;
const MINUTE_MS = 60_000;

/** Bounds the rows of discarded messages. A kind is an endpoint and the reason, which names the event types. */
export class DiscardRows {
  #minute = Number.NaN;
  #together = 0;
  readonly #byKind = new Map<string, number>();

  /** True if the row may be stored. @param now In milliseconds since 1970. */
  mayStore({ endpointKey, error }: AttemptRecord, now: number): boolean {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#together = 0;
      this.#byKind.clear();
    }
    const kind = `${endpointKey} ${error}`;
    const ofKind = this.#byKind.get(kind) ?? 0;
    if (ofKind >= MAX_PER_KIND || this.#together >= MAX_TOGETHER) return false;
    this.#byKind.set(kind, ofKind + 1);
    this.#together += 1;
    return true;
  }
}
