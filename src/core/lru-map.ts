/**
 * A cache of computed values in bounded memory: it keeps about the `capacity` entries used last. Two generations instead of a
 * list ordered by use: an entry of the older generation that is used moves to the younger one; when the younger one is full, the
 * older one is dropped.
 */
export class LruMap<V extends object> {
  private readonly perGeneration: number;
  private readonly longestKey: number;
  private younger = new Map<string, V>();
  private older = new Map<string, V>();

  /**
   * @param capacity The most entries that the map keeps, at least 2.
   * @param longestKey The longest key, in characters. An entry with a longer key is never kept, so its value is computed each
   *   time.
   */
  constructor(capacity: number, longestKey: number) {
    this.perGeneration = Math.max(1, Math.floor(capacity / 2));
    this.longestKey = longestKey;
  }

  get size(): number {
    return this.younger.size + this.older.size;
  }

  get(key: string): V | undefined {
    const young = this.younger.get(key);
    if (young !== undefined) return young;
    const old = this.older.get(key);
    if (old === undefined) return undefined;
    this.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    if (key.length > this.longestKey) return;
    if (this.younger.size >= this.perGeneration) {
      this.older = this.younger;
      this.younger = new Map();
    }
    this.younger.set(key, value);
  }
}
