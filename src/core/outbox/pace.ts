import { type BackoffOptions, backoff } from '../retry/backoff.ts';

/** How long a loop waits after a failure of NATS or PostgreSQL, in milliseconds. */
const AFTER_FAILURE: BackoffOptions = { initialMs: 100, maxMs: 5000, jitter: 0.25 };

/**
 * How often a loop looks while nothing waits and no commit can wake it, in milliseconds. Too low: PostgreSQL answers empty looks all
 * the time. Too high: webhooks wait.
 */
const NEXT_LOOK_MS = 20;
const LATER_LOOKS_MS = 100;
/**
 * While a queue gets this many rows per second, its relay looks by itself every few milliseconds. If commits woke it, each would notify,
 * and PostgreSQL notifies in one transaction at a time: commits would be several times slower.
 */
const BUSY_ROWS_PER_SECOND = 100;
const BUSY_LOOK_MS = 5;
/** After so many empty looks, looks become rarer: a long transaction may keep the relay from being woken. */
const QUICK_LOOKS = 25;

/**
 * A full look reads all rows, and not only those with higher ids than the last one: a transaction that took its ids early may commit
 * late. It also reads the dead rows that a long transaction keeps, so it is made the rarer the longer it takes. Up to 50 ms, full
 * looks take 5 % of the time, so that such a row waits at most 1 s. A look takes longer above about 100 000 dead rows. With 300 000
 * of them, one look per second would take half of the time. In milliseconds.
 */
const FULL_LOOK_AT_LEAST_EVERY_MS = 10_000;
const FULL_LOOK_AT_MOST_EVERY_MS = 20;
const FULL_LOOK_SHARE = 0.05;
/** While rows come, a full look below this is worth it each time, because it finds what commits out of order. In milliseconds. */
const FULL_LOOK_IS_CHEAP_MS = 20;

export type Pace = {
  /** OUTBOX_POLL_MS, in milliseconds. */
  readonly pollMs: number;
  /** False: PostgreSQL cannot wake the relay, as behind PgBouncer. */
  readonly canBeWoken: boolean;
  /** True if OUTBOX_POLL_MS was set. */
  readonly isPollSet: boolean;
};

/** How long to wait after `emptyLooks` looks in a row that found nothing, while no commit wakes the relay. In milliseconds. */
export function untilNextLook(
  emptyLooks: number,
  isBusy: boolean,
  { pollMs, canBeWoken, isPollSet }: Pace,
): number {
  if (!canBeWoken && isPollSet) return pollMs;
  if (isBusy) return Math.min(pollMs, BUSY_LOOK_MS);
  if (!canBeWoken) return Math.min(pollMs, NEXT_LOOK_MS);
  return Math.min(pollMs, emptyLooks <= QUICK_LOOKS ? NEXT_LOOK_MS : LATER_LOOKS_MS);
}

/** Rows that a queue got lately. Times in milliseconds, on the caller's clock. */
export class RowRate {
  /** In this half of a second, and in the one before. */
  #current = 0;
  #previous = 0;
  #startedAt = Number.NEGATIVE_INFINITY;

  add(rows: number, now: number): void {
    this.#rotate(now);
    this.#current += rows;
  }

  isBusy(now: number): boolean {
    this.#rotate(now);
    return this.#current + this.#previous >= BUSY_ROWS_PER_SECOND;
  }

  #rotate(now: number): void {
    const agoMs = now - this.#startedAt;
    if (agoMs < 500) return;
    this.#previous = agoMs < 1000 ? this.#current : 0;
    this.#current = 0;
    this.#startedAt = now;
  }
}

/**
 * How long after the last full look the next one is due, in milliseconds.
 *
 * @param tookMs How long the last one took, without what was done with its rows.
 * @param hasFound Whether it found rows.
 */
export function untilFullLook(tookMs: number, hasFound: boolean): number {
  if (hasFound && tookMs < FULL_LOOK_IS_CHEAP_MS) return 0;
  return Math.min(
    FULL_LOOK_AT_LEAST_EVERY_MS,
    Math.max(FULL_LOOK_AT_MOST_EVERY_MS, tookMs / FULL_LOOK_SHARE),
  );
}

/** @param failures In a row, from 1. @param random From 0 (included) to 1 (excluded). */
export function afterFailure(failures: number, random: number): number {
  return backoff(AFTER_FAILURE, failures, random);
}
