import { expect, it } from 'vitest';
import { outcomeOfFailure, type PublishFailure } from '../../../src/core/outbox/publish-outcome.ts';

const table: [PublishFailure, boolean, string][] = [
  ['tooLarge', false, 'failed'],
  ['invalid', false, 'failed'],
  ['refused', true, 'failed'],
  ['refused', false, 'left: name'],
  ['noStream', true, 'left: name'],
  ['denied', true, 'left: name'],
  ['streamFull', true, 'left: all'],
  ['timeout', true, 'left: all'],
];

it.each(table)('a row with %s (others stored: %s) is %s', (failed, othersWereStored, expected) => {
  const outcome = outcomeOfFailure({ failed, detail: 'why' }, 'webhooks.a', othersWereStored);
  expect(outcome.kind === 'left' ? `left: ${outcome.scope}` : outcome.kind).toBe(expected);
  expect(JSON.stringify(outcome)).toContain('why');
});
