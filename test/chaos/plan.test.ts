import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Plannable, type PlanOptions, planOf } from './plan.ts';

const FAULTS: readonly Plannable[] = [
  { name: 'one of three', short: true, injections: { times: [2, 4], among: 3, forMs: [100, 300] } },
  { name: 'quick', large: true, injections: {} },
];
const ALL: PlanOptions = { short: false, only: '' };

/** Each injection as `afterMs, whom, forMs`, by the name of its fault. */
function planned(seed: number, options: PlanOptions = ALL): Record<string, string[]> {
  return Object.fromEntries(
    planOf(seed, FAULTS, options).map(({ fault, injections }) => [
      fault.name,
      injections.map(({ afterMs, whom, forMs }) => `${afterMs}, ${whom}, ${forMs}`),
    ]),
  );
}

describe('the plan of a seed', () => {
  it.each([
    { seed: 0, three: ['106, 2, 174', '344, 0, 230'], quick: ['30, 0, 480'] },
    { seed: 1, three: ['337, 1, 253', '263, 0, 110', '479, 2, 288', '123, 2, 185'], quick: ['321, 0, 188'] },
    { seed: 2 ** 32 - 1, three: ['43, 1, 217', '387, 1, 164', '220, 1, 263'], quick: ['180, 0, 1867'] },
  ])('$seed is always the same, on every machine', ({ seed, three, quick }) => {
    expect(planned(seed)).toEqual({ 'one of three': three, quick });
  });

  it('has the same injections for a fault if other faults are left out', () => {
    expect(planned(1, { ...ALL, only: 'quick' })).toEqual({ quick: planned(1).quick });
  });

  it('has one injection per fault in the short run, and only its faults', () => {
    expect(planned(1, { ...ALL, short: true })).toEqual({ 'one of three': ['337, 1, 253'] });
  });

  it('has the same injections for a fault in the run with many messages, and only its faults', () => {
    expect(planned(1, { ...ALL, large: true })).toEqual({ quick: planned(1).quick });
  });

  it('stays within the ranges', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (seed) => {
        const [{ injections } = { injections: [] }] = planOf(seed, FAULTS, ALL);
        return (
          injections.length >= 2 &&
          injections.length <= 4 &&
          injections.every(
            ({ whom, forMs, afterMs }) => whom < 3 && forMs >= 100 && forMs <= 300 && afterMs <= 500,
          )
        );
      }),
    );
  });
});
