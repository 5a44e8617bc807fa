import { expect, test } from 'vitest';
import { MemoryBound } from '../../src/ingest/memory-bound.ts';

test('no more requests are in memory than the count allows', () => {
  const bound = new MemoryBound(2, 1000);
  const release = bound.take(1);
  bound.take(1);
  expect(bound.take(1)).toBeNull();
  release!();
  expect(bound.take(1)).not.toBeNull();
});

test('no more bytes are in memory than allowed, but a single request always has a place', () => {
  const bound = new MemoryBound(10, 100);
  const release = bound.take(1000);
  expect(release).not.toBeNull();
  expect(bound.take(1)).toBeNull();
  release!();
  expect([bound.take(60), bound.take(41), bound.take(40)].map((place) => place !== null)).toEqual([
    true,
    false,
    true,
  ]);
});

test('a place that is given back twice is free once', () => {
  const bound = new MemoryBound(10, 100);
  const release = bound.take(10)!;
  bound.take(20);
  release();
  release();
  expect([bound.count, bound.bytes]).toEqual([1, 20]);
});
