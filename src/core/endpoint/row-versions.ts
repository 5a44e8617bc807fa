/**
 * A number that differs after every change of a row, or of its secrets. Numbers of several rows can be added without rounding: see
 * `BUCKETS`.
 */
export type RowVersion = number;

/**
 * Rows are compared in so many groups, by the lowest bits of their ids. So a comparison reads one number per group, and then only
 * the rows of groups that differ. A power of 2.
 */
export const BUCKETS = 2048;

/** Versions that were never read: no comparison finds them equal. */
const UNKNOWN = Number.NaN;

/** Which version of each row this worker has, for comparisons with the store. */
export class RowVersions {
  readonly #byId = new Map<number, RowVersion>();

  get(id: number): RowVersion | undefined {
    return this.#byId.get(id);
  }

  set(id: number, version: RowVersion): void {
    this.#byId.set(id, version);
  }

  delete(id: number): void {
    this.#byId.delete(id);
  }

  /** Every row counts as changed from now on, because the versions of the store have another meaning. */
  forget(): void {
    for (const id of this.#byId.keys()) this.#byId.set(id, UNKNOWN);
  }

  /** The groups whose rows differ. @param sums The sums of the versions in each group that has rows in the store. */
  differingBuckets(sums: ReadonlyMap<number, number>): Set<number> {
    const own = new Map<number, number>();
    for (const [id, version] of this.#byId) own.set(bucketOf(id), (own.get(bucketOf(id)) ?? 0) + version);
    const differing = new Set<number>();
    for (const bucket of new Set([...sums.keys(), ...own.keys()]))
      if (sums.get(bucket) !== own.get(bucket)) differing.add(bucket);
    return differing;
  }

  /**
   * What is to be read of some groups, and which rows of them are deleted.
   *
   * @param stored The versions of all rows of these groups in the store.
   */
  differences(
    buckets: ReadonlySet<number>,
    stored: ReadonlyMap<number, RowVersion>,
  ): { readonly changed: number[]; readonly deleted: number[] } {
    const changed: number[] = [];
    for (const [id, version] of stored) if (this.#byId.get(id) !== version) changed.push(id);
    // Neighbours are read together, which is cheapest for a store.
    changed.sort((a, b) => a - b);
    const deleted = [...this.#byId.keys()].filter((id) => buckets.has(bucketOf(id)) && !stored.has(id));
    return { changed, deleted };
  }
}

/** The lowest bits of the id, also of an id above 2^31. */
function bucketOf(id: number): number {
  return id & (BUCKETS - 1);
}
