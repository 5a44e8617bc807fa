import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LruMap } from '../../src/core/lru-map.ts';

describe('an LRU map', () => {
  it('returns a value that was set', () => {
    const map = new LruMap<{ n: number }>(4, 10);
    const value = { n: 1 };
    map.set('a', value);
    expect(map.get('a')).toBe(value);
  });

  it('keeps an entry that is used, however many others are added', () => {
    const map = new LruMap<{ n: number }>(4, 10);
    map.set('used', { n: 0 });
    for (let n = 1; n < 100; n++) {
      map.set(`new ${n}`, { n });
      expect(map.get('used')).toEqual({ n: 0 });
    }
  });

  it('drops an entry that is not used while enough others are added', () => {
    const map = new LruMap<{ n: number }>(4, 10);
    map.set('unused', { n: 0 });
    for (let n = 1; n < 5; n++) map.set(`new ${n}`, { n });
    expect(map.get('unused')).toBeUndefined();
  });

  it('does not keep a value under a key that is too long', () => {
    const map = new LruMap<{ n: number }>(4, 3);
    map.set('long', { n: 1 });
    expect(map.size).toBe(0);
  });

  it('never exceeds its capacity, and never returns the value of another key', () => {
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
