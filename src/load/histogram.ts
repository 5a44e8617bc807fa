/** Buckets for each doubling of the value. A percentile is at most 1/256 off. */
const BUCKETS_PER_DOUBLING = 128;
/** Microseconds. Smaller values count as this value. */
const LEAST = 1;
/** About 4.6 hours, in microseconds. Larger values count as this value. */
const MOST = 2 ** 34;

/** Percentiles of latencies, in milliseconds. */
export type Latencies = {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};

/**
 * Counts latencies in buckets that grow with the value, so that the memory does not grow with the number of latencies: 35 KB. Each
 * percentile is within 0.4 % of the exact value. The maximum is exact.
 */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS_PER_DOUBLING * (Math.log2(MOST) + 1));
  #total = 0;
  #max = 0;

  /** @param latencyMs In milliseconds. */
  add(latencyMs: number): void {
    this.#counts[bucketOf(latencyMs * 1000)]!++;
    this.#total++;
    if (latencyMs > this.#max) this.#max = latencyMs;
  }

  /** The smallest latency that this share of all latencies does not exceed, in milliseconds. @param share 0 to 1. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#total));
    let counted = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      counted += this.#counts[bucket]!;
      if (counted >= rank) return Math.min(this.#max, middleOf(bucket) / 1000);
    }
    return this.#max;
  }

  /** Null if no latency was added. */
  summary(): Latencies | null {
    if (this.#total === 0) return null;
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => this.percentile(share)) as [
      number,
      number,
      number,
    ];
    return { p50, p95, p99, max: this.#max };
  }
}

function bucketOf(microseconds: number): number {
  const value = Math.min(Math.max(microseconds, LEAST), MOST);
  const doubling = Math.floor(Math.log2(value));
  return doubling * BUCKETS_PER_DOUBLING + Math.floor((value / 2 ** doubling - 1) * BUCKETS_PER_DOUBLING);
}

function middleOf(bucket: number): number {
  const doubling = Math.floor(bucket / BUCKETS_PER_DOUBLING);
  const part = (bucket % BUCKETS_PER_DOUBLING) + 0.5;
  return 2 ** doubling * (1 + part / BUCKETS_PER_DOUBLING);
}
