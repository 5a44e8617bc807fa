import { expect, it } from 'vitest';
import { RetryTurns } from '../../../src/core/capacity/retry-turns.ts';

it.each([
  ['before the first retry', null, 0, true],
  ['at once after a retry', 100, 0, false],
  ['before three times its duration is over', 100, 299, false],
  ['after three times its duration', 100, 300, true],
  ['after a retry that took no time', 0, 0, true],
])('retries are due or not, %s', (_, durationMs, agoMs, isDue) => {
  const turns = new RetryTurns();
  if (durationMs !== null) turns.onEnded(durationMs, 1000);
  expect(turns.isDue(1000 + agoMs)).toBe(isDue);
});
