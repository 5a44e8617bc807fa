import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from '../../src/load/histogram.ts';

function histogramOf(latencies: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const latency of latencies) histogram.add(latency);
  return histogram;
}

test('a percentile is within 0.4 % of the exact value', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1 }), (latencies) => {
      const sorted = [...latencies].sort((one, other) => one - other);
      const histogram = histogramOf(latencies);
      for (const share of [0.5, 0.95, 0.99]) {
        const exact = sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!;
        expect(Math.abs(histogram.percentile(share) - exact)).toBeLessThanOrEqual(exact * 0.004);
      }
    }),
  );
});

test('of 100 latencies from 1 to 100 ms, the percentiles are 50, 95 and 99 ms, and the maximum is exact', () => {
  const summary = histogramOf(Array.from({ length: 100 }, (_, index) => index + 1)).summary()!;
  expect([summary.p50, summary.p95, summary.p99].map(Math.round)).toEqual([50, 95, 99]);
  expect(summary.max).toBe(100);
});

test('a latency of zero, and one of a day, are counted', () => {
  expect(histogramOf([0, 86_400_000]).summary()).toMatchObject({ max: 86_400_000 });
});

test('without a latency there is no summary', () => {
  expect(new Histogram().summary()).toBeNull();
});
