import { expect, it } from 'vitest';
import { type Disposition, isParked } from '../../../src/core/retry/disposition.ts';

it.each<[Disposition, boolean]>([
  [{ kind: 'park' }, true],
  [{ kind: 'retry', delayMs: 1, retryVia: 'park' }, true],
  [{ kind: 'retry', delayMs: 1, retryVia: 'nak' }, false],
  [{ kind: 'ack' }, false],
  [{ kind: 'deadLetter', reason: 'gone' }, false],
  [{ kind: 'requeued', delayMs: 0 }, false],
  [{ kind: 'deferred' }, false],
])('a message with the disposition %o is in the parked queue of its endpoint: %s', (disposition, expected) => {
  expect(isParked(disposition)).toBe(expected);
});
