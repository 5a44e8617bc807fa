import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LruMap } from '../../src/core/lru-map.ts';

describe('what was computed lately', () => {
  it('is found again', () => {
    const map = new LruMap<{ n: number }>(4, 10);
    const value = { n: 1 };
    map.set('a', value);
    expect(map.get('a')).toBe(value);
  });

  it('stays while it is used, whatever else comes', () => {
    const map = new LruMap<{ n: number }>(4, 10);
    map.set('used', { n: 0 });
    for (let n = 1; n < 100; n++) {
      map.set(`new ${n}`, { n });
      expect(map.get('used')).toEqual({ n: 0 });
    }
  });

  it('goes when enough else came', () => {
    const map = new LruMap<{ n: number }>(4, 10);
    map.set('unused', { n: 0 });
    for (let n = 1; n < 5; n++) map.set(`new ${n}`, { n });
    expect(map.get('unused')).toBeUndefined();
  });

  it('is not kept under a long key', () => {
    const map = new LruMap<{ n: number }>(4, 3);
    map.set('long', { n: 1 });
    expect(map.size).toBe(0);
  });

  it('never is more than the capacity, and never wrong', () => {
    const key = fc.constantFrom(...'abcdefghijkl');
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.array(key), (capacity, keys) => {
        const map = new LruMap<{ key: string }>(capacity, 1);
        for (const wanted of keys) {
          const found = map.get(wanted);
          if (found === undefined) map.set(wanted, { key: wanted });
          else expect(found.key).toBe(wanted);
          expect(map.size).toBeLessThanOrEqual(capacity);
        }
      }),
    );
  });
});
