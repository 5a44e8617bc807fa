import { expect, it } from 'vitest';
import { isReplay } from '../../../src/core/request/headers.ts';

const isReplayWith = (value?: string) =>
  isReplay({ header: (name) => (name === 'Webhook-Replayed' ? value : undefined) });

it.each([
  [undefined, false],
  ['', false],
  [' ', false],
  ['false', false],
  ['False', false],
  ['true', true],
  ['TRUE', true],
  [' True ', true],
])('a message with the NATS header Webhook-Replayed: %j is a replay: %s', (value, expected) => {
  expect(isReplayWith(value)).toBe(expected);
});

it.each(['yes', '1', 'true, true'])('the value %j of Webhook-Replayed is an error', (value) => {
  expect(isReplayWith(value)).toEqual({
    problem: 'the NATS header Webhook-Replayed is neither true nor false',
  });
});
