import { FailureRun } from './failure-run.ts';

/**
 * A URL is split off only while another URL of its origin succeeded within this time, in milliseconds. Below it, a quiet healthy
 * neighbour would not count. Above it, the URLs of an origin that went down would be split off one by one.
 */
export const NEIGHBOUR_MS = 10_000;
/**
 * A URL merges with its origin again when it has been closed and without parked messages for this long, in milliseconds. Below it, a
 * URL that fails from time to time would copy its queue again and again.
 */
const MERGE_AFTER_MS = 60_000;
/** The most URLs that are split off, and the most records of URLs that fail. */
export const MAX_SPLIT = { ofOrigin: 64, ofWorker: 4096 };

/** A record is kept for this long after the last failure of its URL, in milliseconds. */
const RECORD_MS = 60_000;

/** What is known of a URL that failed. */
export type UrlRecord = {
  readonly run: FailureRun;
  failedAt: number;
  /** First attempts in flight that the origin is silent about while it answers others. */
  readonly silent: Set<unknown>;
};

/**
 * True if the trouble of the URL is its own, so that the URL needs an endpoint of its own.
 *
 * @param silentLimit So many first attempts without an answer are enough, while the origin answers others.
 */
export function isSplitOff(
  { run, silent }: Pick<UrlRecord, 'run' | 'silent'>,
  silentLimit: number,
  otherSucceededAt: number,
  now: number,
): boolean {
  if (now - otherSucceededAt > NEIGHBOUR_MS) return false;
  return silent.size >= silentLimit || run.isOutage(silent.size);
}

/** @param troubledAt When the URL last had trouble or parked messages. */
export function isMergedAgain(troubledAt: number, now: number): boolean {
  return now - troubledAt > MERGE_AFTER_MS;
}

/** When the two URLs of an origin that succeeded last did so. Enough to tell whether another URL than a given one succeeds. */
export class UrlSuccesses {
  #last = { url: '', at: Number.NEGATIVE_INFINITY };
  #before = { url: '', at: Number.NEGATIVE_INFINITY };

  note(url: string, now: number): void {
    if (url !== this.#last.url) {
      [this.#last, this.#before] = [this.#before, this.#last];
      this.#last.url = url;
    }
    this.#last.at = now;
  }

  /** When another URL succeeded last; negative infinity: none did. */
  ofOthers(url: string): number {
    return url === this.#last.url ? this.#before.at : this.#last.at;
  }
}

/**
 * Records of URLs that fail, by origin. Bounded: at most `MAX_SPLIT.ofOrigin` per origin and `MAX_SPLIT.ofWorker` together. So an
 * origin whose URLs are all different takes no records from others. The records without a failure for the longest time go first.
 */
export class UrlRecords {
  readonly #byOrigin = new Map<string, Map<string, UrlRecord>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Undefined for a URL that did not fail within the last minute. Cheap while no URL of the origin failed. */
  get(origin: string, url: string, now: number): UrlRecord | undefined {
    if (this.#size === 0) return undefined;
    const records = this.#byOrigin.get(origin);
    if (records === undefined) return undefined;
    const [oldest] = records;
    if (now - oldest![1].failedAt > RECORD_MS) this.delete(origin, oldest![0]);
    const record = records.get(url);
    return record === undefined || now - record.failedAt > RECORD_MS ? undefined : record;
  }

  /**
   * Returns the record of a URL that has just failed, or is silent.
   *
   * @param mayHaveSucceeded The origin succeeded before. The URL may have, too: nothing is recorded of URLs that succeed.
   */
  ensure(origin: string, url: string, mayHaveSucceeded: boolean, now: number): UrlRecord {
    const records = this.#byOrigin.get(origin) ?? new Map<string, UrlRecord>();
    // Set again, so that the record that failed last is the last one of its map.
    this.#byOrigin.delete(origin);
    this.#byOrigin.set(origin, records);
    let record = records.get(url);
    if (record === undefined || now - record.failedAt > RECORD_MS) {
      if (record !== undefined) this.#size--;
      records.delete(url);
      record = { run: new FailureRun(mayHaveSucceeded), failedAt: now, silent: new Set() };
      this.#size++;
    } else records.delete(url);
    record.failedAt = now;
    records.set(url, record);
    if (records.size > MAX_SPLIT.ofOrigin) this.#deleteFirst(records);
    if (this.#size > MAX_SPLIT.ofWorker) this.#deleteFirst(this.#byOrigin.values().next().value!);
    return record;
  }

  delete(origin: string, url: string): void {
    const records = this.#byOrigin.get(origin);
    if (records?.delete(url) !== true) return;
    this.#size--;
    if (records.size === 0) this.#byOrigin.delete(origin);
  }

  deleteOrigin(origin: string): void {
    this.#size -= this.#byOrigin.get(origin)?.size ?? 0;
    this.#byOrigin.delete(origin);
  }

  #deleteFirst(records: Map<string, UrlRecord>): void {
    const [first] = records.keys();
    records.delete(first!);
    this.#size--;
    for (const [origin, each] of this.#byOrigin) {
      if (each.size === 0) this.#byOrigin.delete(origin);
      break;
    }
  }
}
