import { describe, expect, it } from 'vitest';
import { recoveryOf } from './run.ts';

describe('the recovery from a fault', () => {
  it.each([
    { what: '0 if no pause was long', arrivals: [100, 200, 300], curedAt: null, ms: 0 },
    {
      what: 'the longest pause if the fault has no cure',
      arrivals: [100, 900, 1200],
      curedAt: null,
      ms: 800,
    },
    { what: 'the pause that began with the fault', arrivals: [700, 800], curedAt: null, ms: 700 },
    {
      what: 'the time from the cure to the end of the longest pause',
      arrivals: [100, 900],
      curedAt: 600,
      ms: 300,
    },
    { what: '0 if deliveries went on before the cure', arrivals: [100, 900], curedAt: 950, ms: 0 },
    { what: '0 if the pause began before the fault', arrivals: [-5000, 100], curedAt: null, ms: 0 },
  ])('is $what', ({ arrivals, curedAt, ms }) => {
    expect(recoveryOf(arrivals, 0, curedAt)).toBe(ms);
  });
});
