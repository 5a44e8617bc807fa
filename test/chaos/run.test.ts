import { describe, expect, it } from 'vitest';
import { recoveryOf } from './run.ts';

describe('the recovery from a fault', () => {
  it.each([
    { what: 'nothing, where no pause was long', arrivals: [100, 200, 300], wellFrom: null, ms: 0 },
    {
      what: 'the longest pause, where nothing cures it',
      arrivals: [100, 900, 1200],
      wellFrom: null,
      ms: 800,
    },
    { what: 'a pause that began with the fault', arrivals: [700, 800], wellFrom: null, ms: 700 },
    { what: 'from the cure to the end of the longest pause', arrivals: [100, 900], wellFrom: 600, ms: 300 },
    { what: 'nothing, where deliveries went on before the cure', arrivals: [100, 900], wellFrom: 950, ms: 0 },
    { what: 'blind for what was before the fault', arrivals: [-5000, 100], wellFrom: null, ms: 0 },
  ])('is $what', ({ arrivals, wellFrom, ms }) => {
    expect(recoveryOf(arrivals, 0, wellFrom)).toBe(ms);
  });
});
