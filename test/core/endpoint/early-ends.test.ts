import { expect, it } from 'vitest';
import { describeEarlyEnd, earlyEnds } from '../../../src/core/endpoint/early-ends.ts';
import type { RetryPolicy } from '../../../src/core/retry/verdict.ts';
import { registeredRow } from './registered-row.ts';

const DEFAULTS: RetryPolicy = {
  maxAttempts: 7,
  terminalStatuses: new Set(),
  backoff: { baseMs: 1000, maxMs: 300_000, multiplier: 2, retryAfterMaxMs: 3_600_000 },
};
const ROWS = [
  registeredRow({ name: 'untouched' }),
  registeredRow({ name: 'patient', maxAttempts: 3, retrySchedule: [60_000, 3_600_000] }),
  registeredRow({ name: 'off', enabled: false }),
  registeredRow({ name: 'wrong', problem: 'retry_schedule: "0s" is not a delay' }),
  registeredRow({ name: 'other' }),
];

it('names what gives up within an hour: messages with a URL, and enabled rows', () => {
  const { shown, more } = earlyEnds(DEFAULTS, ROWS, 0, 10);
  expect(shown.map(describeEarlyEnd)).toEqual([
    'messages with a URL: 7 attempts end after 63 s',
    'untouched: 4 attempts end after 7 s',
    'other: 4 attempts end after 7 s',
  ]);
  expect(more).toBe(0);
});

it('counts the others', () => {
  expect(earlyEnds(DEFAULTS, ROWS, 0, 1)).toMatchObject({ shown: [{ endpoint: null }], more: 2 });
  const alike = [
    { ...ROWS[0]!, alike: 3 },
    { ...ROWS[1]!, alike: 5 },
  ];
  expect(earlyEnds(DEFAULTS, alike, 0, 10)).toMatchObject({
    shown: [{}, { endpoint: 'untouched' }],
    more: 3,
  });
});

it('says nothing of a schedule that goes on for longer', () => {
  const patient = { ...DEFAULTS, backoff: { ...DEFAULTS.backoff, schedule: [3_600_000] } };
  expect(earlyEnds(patient, [], 0, 10)).toEqual({ shown: [], more: 0 });
});
