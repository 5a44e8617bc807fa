import { describe, expect, it } from 'vitest';
import { brokenIsolation, brokenPromises, type Verdict } from './verdict.ts';

const GOOD: Verdict = {
  accepted: 9,
  delivered: 8,
  deadLetters: 1,
  undeserved: 0,
  otherAttempts: 0,
  lost: 0,
  doubled: 3,
  misrouted: 0,
  outOfOrder: 0,
  early: 0,
  unwanted: 0,
  p99Ms: { control: 100, beside: 200 },
};

describe('a verdict', () => {
  it('breaks no promise with doubled requests, deserved dead letters and twice the delivery time', () => {
    expect([...brokenPromises(GOOD), ...brokenIsolation(GOOD)]).toEqual([]);
  });

  it.each([
    'undeserved',
    'lost',
    'misrouted',
    'outOfOrder',
    'early',
    'unwanted',
  ] as const)('breaks a promise with one message %s', (wrong) => {
    expect(brokenPromises({ ...GOOD, [wrong]: 1 })).toEqual([expect.stringMatching(/^1 /)]);
  });

  it.each([
    {
      control: 100,
      beside: 201,
      broken: ['deliveries at the healthy endpoint took 2.01 times as long (p99)'],
    },
    { control: null, beside: null, broken: [] },
    {
      control: 100,
      beside: null,
      broken: ['the delivery times were not measured, so that they cannot be compared'],
    },
  ])('of p99 $control and $beside ms breaks $broken', ({ broken, ...p99Ms }) => {
    expect(brokenIsolation({ ...GOOD, p99Ms })).toEqual(broken);
  });
});
